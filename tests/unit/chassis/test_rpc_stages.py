"""The stages of a call, each by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any

import grpc
import pymongo
import pytest
from kehu.interactions.v1 import cases_pb2

from libs.chassis.domain import InvalidArgument, PermissionDenied
from libs.chassis.serving import costs
from libs.engine import metrics
from libs.engine.access import Principal, Unauthenticated
from libs.engine.rpc import authenticate, deadline, limit, observe, validate
from libs.engine.rpc.call import Call, Method, Priority, describe
from libs.engine.rpc.errors import DeadlineExceeded, Overloaded, Unavailable, status_of
from libs.engine.rpc.limit import Buckets, InFlight, Limiter, RequestTooCostly
from libs.engine.rpc.pools import Pool
from libs.engine.rpc.receive import Inline, Reception
from libs.engine.rpc.streams import OpenStreams, Stream
from libs.tracing import Span
from tests.support.lab import lab

REQUEST_ID = "0b9c2f0c-5b7e-4a52-9f4e-0d4b3c8f7a11"


def method(name: str = "GetThing") -> Method:
    """A method of the lab."""
    return describe(lab().DESCRIPTOR.services_by_name["LabService"].methods_by_name[name], lambda request, _: request)


def call(name: str = "GetThing", **facts: Any) -> Call:
    """A call of it."""
    usual: dict[str, Any] = {"request_id": "r", "token": "", "span": Span(""), "repeated": False}
    return Call(method=method(name), **(usual | facts))


class Time:
    """The part of grpc's context that the deadline stage looks at."""

    def __init__(self, remaining: float | None) -> None:
        self._remaining = remaining

    def time_remaining(self) -> float | None:
        """Seconds."""
        return self._remaining


class Full(Pool):
    """A pool that says how full it is, and how many of the calls are the tenant's."""

    def __init__(self, threads: int, in_flight: int, *, of_tenant: int = 0) -> None:
        super().__init__("full", threads, lambda _: None)
        self.in_flight = in_flight
        self._of_tenant = of_tenant

    def held_by(self, tenant: str) -> int:
        """Its calls."""
        return self._of_tenant


def cause(attempt: Callable[[], None]) -> str | None:
    """Why the attempt is refused, if it is."""
    try:
        attempt()
    except Overloaded as refused:
        return refused.cause
    return None


# ------------------------------------------------------------------------------------------------ methods


def test_everything_about_a_method_is_known_before_a_call() -> None:
    got = method("WatchThings")
    assert (got.path, got.kind, got.streams) == ("/lab.v1.LabService/WatchThings", "SERVER_STREAMING", True)
    assert (got.scope, got.request, got.commands) == ("lab.things.read", lab().GetThingRequest, False)
    assert method("CreateThing").commands


def test_priorities_follow_from_the_protos() -> None:
    names = ("GetThing", "CreateThing", "ImportThings")
    assert [method(name).priority for name in names] == [Priority.READ, Priority.WRITE, Priority.BULK]


def test_a_method_without_a_scope_is_refused_by_name() -> None:
    from grpc_health.v1 import health_pb2

    with pytest.raises(LookupError, match=r"grpc\.health\.v1\.Health\.Check does not say who may call it"):
        describe(health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name["Check"], lambda request, _: request)


# ------------------------------------------------------------------------------------------------ observe


def test_a_call_takes_the_id_and_the_trace_that_it_brings() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    metadata = [("x-request-id", "web:7"), ("traceparent", trace), ("authorization", "Bearer x")]
    got = observe.arrive(method(), metadata)
    assert (got.request_id, got.span.traceparent, got.token, got.repeated) == ("web:7", "", "Bearer x", False)
    copy_context().run(observe.known, got)
    assert got.span.traceparent == trace


@pytest.mark.parametrize("given", ["", "x" * 65, "two\nlines", "客户", b"bytes"])
def test_an_id_that_could_spoil_a_log_is_replaced(given: Any) -> None:
    got = observe.arrive(method(), [("x-request-id", given)])
    assert len(got.request_id) == 32
    assert got.request_id != given


def test_a_repeated_attempt_is_seen() -> None:
    assert observe.arrive(method(), [("x-previous-attempts", "1")]).repeated
    for given in ("", "0", "-1", "1000", "many", b"1"):
        assert not observe.arrive(method(), [("x-previous-attempts", given)]).repeated


def test_every_end_is_counted_with_its_code() -> None:
    def count() -> float:
        labels = {"grpc_type": "UNARY", "grpc_service": "lab.v1.LabService", "grpc_method": "GetThing"}
        return (
            metrics.REGISTRY.get_sample_value("grpc_server_handled_total", labels | {"grpc_code": "NOT_FOUND"}) or 0.0
        )

    before = count()
    observe.end(call(code="NOT_FOUND"))
    assert count() == before + 1


# ------------------------------------------------------------------------------------------- authenticate


class Known:
    """Knows one token."""

    def verify(self, token: str) -> Principal:
        """Whom it speaks for."""
        if token != "good":
            raise Unauthenticated("unknown")
        return Principal("user:1", "acme", frozenset({"lab.things.read"}), time.time() + 60)


@pytest.mark.parametrize("token", ["", "good", "Basic good", "Bearer", "Bearer bad"])
def test_a_call_without_a_good_token_is_not_authenticated(token: str) -> None:
    with pytest.raises(Unauthenticated):
        authenticate.check(call(token=token), Known())  # type: ignore[arg-type]


def test_a_good_token_needs_the_scope_of_the_method() -> None:
    welcome = call(token="bearer good")
    authenticate.check(welcome, Known())  # type: ignore[arg-type]
    assert welcome.principal.tenant == "acme"
    with pytest.raises(PermissionDenied) as refused:
        authenticate.check(call("CreateThing", token="Bearer good"), Known())  # type: ignore[arg-type]
    assert refused.value.metadata == {"scope": "lab.things.write"}


# -------------------------------------------------------------------------------------------------- limit


def test_a_tenant_may_burst_and_then_gets_its_rate() -> None:
    buckets = Buckets(rate=10)
    for _ in range(20):
        buckets.take("acme", 0.0)
    with pytest.raises(Overloaded) as refused:
        buckets.take("acme", 0.0)
    assert refused.value.retry_after == pytest.approx(0.1)
    buckets.take("other", 0.0)
    buckets.take("acme", 0.1)
    with pytest.raises(Overloaded):
        buckets.take("acme", 0.1)


def test_tenants_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "_TENANTS", 3)
    buckets = Buckets(rate=1)
    for number in range(10):
        buckets.take(f"t{number}", 0.0)
    assert list(buckets._levels) == ["t7", "t8", "t9"]


def test_a_rate_of_zero_is_no_limit() -> None:
    for _ in range(1000):
        Buckets(rate=0).take("acme", 0.0)


def admitted(gate: InFlight) -> set[str]:
    """The priorities of the calls that it lets in."""
    return {priority.name for priority in Priority if cause(partial(gate.admit, "acme", priority)) is None}


@pytest.mark.parametrize(
    ("in_flight", "welcome"),
    [
        (31, {"READ", "WRITE", "REPEAT", "BULK"}),
        (32, {"READ", "WRITE", "REPEAT"}),
        (48, {"READ", "WRITE"}),
        (58, {"READ"}),
        (64, set()),
    ],
)
def test_what_matters_least_is_refused_first(in_flight: int, welcome: set[str]) -> None:
    gate = InFlight(Full(8, in_flight))
    assert admitted(gate) == welcome


def test_the_limit_follows_the_time_that_calls_take() -> None:
    gate = InFlight(Full(8, 0))
    assert gate.value == pytest.approx(limit.START)
    for seconds, expected in ((0.1, 8 * 1.3), (10.0, 8.0), (0.01, 32.0), (0.0, limit.MOST)):
        for _ in range(400):
            gate.learn(seconds)
        assert gate.value == pytest.approx(expected, rel=0.01)


def test_the_limit_shrinks_within_a_few_calls() -> None:
    gate = InFlight(Full(8, 0))
    for _ in range(10):
        gate.learn(0.1)
    assert gate.value < 16


def test_streams_have_a_bound_of_their_own() -> None:
    limiter = Limiter(Full(8, 64), Full(10, 9), 0)
    limiter.admit(call("WatchThings"))
    with pytest.raises(Overloaded) as refused:
        Limiter(Full(8, 0), Full(10, 10), 0).admit(call("WatchThings"))
    assert refused.value.cause == "streams"


@pytest.mark.parametrize(
    ("of_tenant", "welcome"),
    [(15, {"READ", "WRITE", "REPEAT", "BULK"}), (16, {"READ", "WRITE", "REPEAT"}), (31, {"READ"}), (32, set())],
)
def test_a_tenant_may_fill_half_of_what_all_may(of_tenant: int, welcome: set[str]) -> None:
    gate = InFlight(Full(8, of_tenant, of_tenant=of_tenant))
    assert admitted(gate) == welcome
    assert of_tenant < 32 or cause(lambda: gate.admit("acme", Priority.READ)) == "tenant_in_flight"


def test_a_tenant_may_hold_half_of_the_streams() -> None:
    Limiter(Full(8, 0), Full(10, 9, of_tenant=4), 0).admit(call("WatchThings"))
    full = Limiter(Full(8, 0), Full(10, 5, of_tenant=5), 0)
    assert cause(lambda: full.admit(call("WatchThings"))) == "tenant_streams"


def test_computing_is_refused_before_it_begins() -> None:
    @costs(lambda request: request.thing.count / 100)
    def serve(request: Any, _: grpc.ServicerContext) -> Any:
        return request.thing

    descriptor = lab().DESCRIPTOR.services_by_name["LabService"].methods_by_name["CreateThing"]
    asked = replace(call(), method=describe(descriptor, serve), principal=Principal("u", "acme", frozenset(), 0.0))
    limiter = Limiter(Full(8, 0), Full(8, 0), 0)

    def ask(count: int) -> None:
        limiter.compute(asked, lab().CreateThingRequest(thing=lab().Thing(count=count)))

    with pytest.raises(RequestTooCostly) as refused:
        ask(900)
    assert refused.value.metadata == {"seconds": "9.0", "most": "2.0"}
    ask(150)
    assert cause(partial(ask, 150)) == "tenant_computing"
    asked.principal = Principal("u", "globex", frozenset(), 0.0)
    ask(150)
    limiter.compute(call(), lab().GetThingRequest(id="a"))


def test_a_write_sent_again_counts_as_such() -> None:
    limiter = Limiter(Full(8, 50), Full(1, 0), 0)
    limiter.admit(call("CreateThing"))
    limiter.admit(call("GetThing", repeated=True))
    with pytest.raises(Overloaded):
        limiter.admit(call("CreateThing", repeated=True))


# ----------------------------------------------------------------------------------------------- deadline


@pytest.mark.parametrize(
    ("given", "left"), [(None, deadline.DEFAULT), (9e9, deadline.DEFAULT), (2.0, 2.0), (900.0, deadline.LONGEST)]
)
def test_a_unary_call_always_has_an_end(given: float | None, left: float) -> None:
    served = call()
    deadline.begin(served, Time(given))  # type: ignore[arg-type]
    assert served.expires - time.monotonic() == pytest.approx(left, abs=0.1)


def test_a_stream_ends_only_when_its_caller_says_so() -> None:
    served = call("WatchThings")
    deadline.begin(served, Time(9e9))  # type: ignore[arg-type]
    assert served.expires == float("inf")
    deadline.begin(served, Time(60))  # type: ignore[arg-type]
    assert served.expires < float("inf")


def test_what_cannot_end_in_time_is_not_begun_until_the_memory_fades() -> None:
    served = call()
    served.method.seconds = 1.0
    deadline.begin(served, Time(1.3))  # type: ignore[arg-type]
    refused = 0
    while cause(lambda: deadline.begin(served, Time(1.0))) == "deadline":  # type: ignore[arg-type]
        refused += 1
    assert 1 < refused < 20


def test_the_average_follows_what_calls_take() -> None:
    served = call()
    for _ in range(100):
        deadline.learn(served, 0.2)
    assert served.method.seconds == pytest.approx(0.2, rel=0.01)


def test_the_driver_gets_four_fifths_of_what_is_left() -> None:
    from pymongo import _csot

    served = call()
    deadline.begin(served, Time(1.0))  # type: ignore[arg-type]
    with deadline.database(served):
        assert _csot.get_timeout() == pytest.approx(0.8, abs=0.05)
    assert _csot.get_timeout() is None


def test_a_driver_that_used_up_its_time_is_a_passed_deadline_and_one_that_did_not_an_outage() -> None:
    served = call(expires=time.monotonic() + 0.1)
    outage = pymongo.errors.ServerSelectionTimeoutError("no primary")
    assert deadline.passed(served, outage, time.monotonic() - 1) is not outage
    assert isinstance(deadline.passed(served, outage, time.monotonic() - 1), DeadlineExceeded)
    assert deadline.passed(replace(served, expires=time.monotonic() + 5), outage, time.monotonic()) is outage
    defect = KeyError("x")
    assert deadline.passed(served, defect, time.monotonic() - 1) is defect


# ----------------------------------------------------------------------------------------------- validate


def test_what_only_a_server_writes_is_taken_out_of_a_request_however_deep_it_stands() -> None:
    descriptor = cases_pb2.DESCRIPTOR.services_by_name["CasesService"].methods_by_name["ImportCases"]
    sent = cases_pb2.ImportCasesRequest()
    row = sent.rows.add(source_key="a", open_time={"seconds": 1_767_225_600})
    row.case.type, row.case.subject = cases_pb2.CASE_TYPE_COMPLAINT, "late"
    row.case.state, row.case.create_time.seconds = cases_pb2.CASE_STATE_CLOSED, 1
    [read] = validate.read(describe(descriptor, lambda *_: None), sent.SerializeToString()).rows  # type: ignore[attr-defined]
    assert (read.source_key, read.case.subject) == ("a", "late")
    assert (read.case.state, read.case.HasField("create_time")) == (0, False)


def test_bytes_that_are_no_request_are_malformed() -> None:
    with pytest.raises(InvalidArgument) as refused:
        validate.read(method(), b"\xff\xff\xff")
    assert (refused.value.reason_code, refused.value.metadata) == (
        "MALFORMED_REQUEST",
        {"type": "lab.v1.GetThingRequest"},
    )


def test_the_fingerprint_covers_everything_but_the_key() -> None:
    creates = method("CreateThing")

    def fingerprint(key: str = REQUEST_ID, owner: Method = creates, **thing: Any) -> bytes:
        request = lab().CreateThingRequest(thing=lab().Thing(**thing), request_id=key)
        command = validate.command(owner, request)
        assert command is not None
        assert command.key == key.lower()
        assert request.request_id == key
        return command.fingerprint

    first = fingerprint(id="a", count=1)
    assert first == fingerprint(id="a", count=1) == fingerprint(REQUEST_ID.upper(), id="a", count=1)
    assert first == fingerprint("11111111-1111-4111-8111-111111111111", id="a", count=1)
    assert len({first, fingerprint(id="a"), fingerprint(id="b", count=1)}) == 3
    assert first != fingerprint(owner=method("ImportThings"), id="a", count=1)


def test_a_request_without_a_key_is_no_command() -> None:
    assert validate.command(method("CreateThing"), lab().CreateThingRequest()) is None
    assert validate.command(method("GetThing"), lab().GetThingRequest(id="a")) is None


# -------------------------------------------------------------------------------------------------- pools


class Task:
    """Work of a tenant, without grpc."""

    def __init__(self, do: Callable[[], object], tenant: str = "acme") -> None:
        self.call = call(principal=Principal("user:1", tenant, frozenset(), 0.0))
        self.do = do


def take(pool: Pool, do: Callable[[], object], tenant: str = "acme") -> Call:
    """Hands work to a pool."""
    task = Task(do, tenant)
    pool.take(task)  # type: ignore[arg-type]
    return task.call


def until(condition: Callable[[], bool]) -> None:
    """Waits for other threads, seconds at most."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_pool_counts_its_calls_and_tells_of_their_end_whatever_happens() -> None:
    ended: list[Call] = []
    gate = threading.Event()
    pool = Pool("test", 2, ended.append)
    calls = [take(pool, gate.wait, tenant) for tenant in ("acme", "globex", "acme", "globex", "acme")]
    assert (pool.in_flight, pool.held_by("acme"), pool.held_by("globex"), pool._started) == (5, 3, 2, 2)
    gate.set()
    until(lambda: len(ended) == 5)
    assert {id(one) for one in ended} == {id(one) for one in calls}
    assert (pool.in_flight, pool.held_by("acme"), pool._tenants) == (0, 0, {})
    pool.shutdown()


def test_a_tenant_leaves_half_of_the_threads_to_others() -> None:
    gate, done = threading.Event(), list[str]()
    pool = Pool("test", 4, lambda _: None)
    for _ in range(50):
        take(pool, gate.wait)
    take(pool, lambda: done.append("globex"), "globex")
    until(lambda: done == ["globex"])
    assert pool.held_by("acme") == 50
    gate.set()
    until(lambda: not pool.in_flight)
    pool.shutdown()


def test_what_waits_for_a_tenant_s_own_calls_is_done_in_order() -> None:
    done: list[int] = []
    pool = Pool("test", 1, lambda _: None)
    for number in range(100):
        take(pool, partial(done.append, number))
    until(lambda: not pool.in_flight)
    assert done == list(range(100))
    pool.shutdown()


def test_the_reception_takes_no_work_that_was_not_admitted() -> None:
    with pytest.raises(RuntimeError, match="without a call"):
        Reception(lambda _: None).submit(print)


def test_inline_work_runs_where_it_comes_from() -> None:
    names: list[str] = []
    Inline(1).submit(lambda: names.append(threading.current_thread().name))
    assert names == [threading.current_thread().name]


# ------------------------------------------------------------------------------------------------ streams


class Line:
    """The part of grpc's context and of its sending that a stream uses."""

    def __init__(self) -> None:
        self.sent: list[bytes | None] = []
        self.told: list[object] = []
        self.set_code = self.set_details = self.set_trailing_metadata = self.told.append

    def add_callback(self, _: Callable[[], None]) -> bool:
        """The caller is there."""
        return True

    def stream(self) -> Stream:
        """A stream over it."""
        return Stream(call("WatchThings"), self, self.sent.append)  # type: ignore[arg-type]


def test_a_stream_ends_once() -> None:
    line = Line()
    stream = line.stream()
    stream.send(b"x")
    stream.end()
    stream.end(status_of(Unavailable("stops")))
    assert (line.sent, line.told) == ([b"x", None], [])


def test_a_drain_ends_the_streams_that_are_open_and_those_that_begin_meanwhile() -> None:
    streams, (early, done, late) = OpenStreams(), (Line(), Line(), Line())
    for line in (early, done):
        stream = line.stream()
        streams.add(stream)
    streams.discard(stream)
    streams.end(status_of(Unavailable("stops")))
    streams.add(late.stream())
    assert [line.sent for line in (early, done, late)] == [[None], [], [None]]
    assert grpc.StatusCode.UNAVAILABLE in early.told
    assert grpc.StatusCode.UNAVAILABLE in late.told
