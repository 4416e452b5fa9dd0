"""The server as its callers meet it: every way in, and every way to fail."""

# ruff: noqa: N802  (grpc calls servicers by the names of the protos)

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from statistics import median
from typing import Any

import grpc
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.chassis import context
from libs.chassis.domain import Conflict, FieldViolation, InvalidArgument, NotFound
from libs.chassis.serving import still_open
from libs.engine import metrics
from libs.engine.rpc.answer import SEND_LIMIT
from libs.engine.rpc.deadline import remaining
from libs.engine.rpc.server import RECEIVE_LIMIT
from tests.support.lab import Caller, Failure, Running, failure, lab, serving
from tests.support.ledger import Account
from tests.support.logged import logged

REQUEST_ID = "0b9c2f0c-5b7e-4a52-9f4e-0d4b3c8f7a11"


class Lab:
    """Does what `behavior` asks, in all four kinds."""

    def __init__(self) -> None:
        self.seen: list[context.Context] = []
        self.gate = threading.Event()

    def GetThing(self, request: Any, grpc_context: grpc.ServicerContext) -> Any:
        """Fails or waits on request."""
        match request.behavior:
            case "missing":
                raise NotFound(Account, request.id)
            case "defect":
                raise RuntimeError("canary")
            case "wrong":
                raise InvalidArgument(violations=[FieldViolation("x", "must be y")])
            case "abort":
                grpc_context.abort(grpc.StatusCode.DATA_LOSS, "canary")
            case "none":
                return None
            case "outage":
                raise ConnectionResetError("canary")
            case "wait":
                self.gate.wait(10)
            case "sleep":
                time.sleep(0.05)
            case "large":
                return lab().Thing(text="x" * (SEND_LIMIT + 1))
            case "remaining":
                return lab().Thing(count=round(remaining()))
        return lab().Thing(id=request.id, text=context.current().tenant)

    def CreateThing(self, request: Any, _: grpc.ServicerContext) -> Any:
        """Remembers its context."""
        self.seen.append(context.current())
        return request.thing

    def WatchThings(self, request: Any, _: grpc.ServicerContext) -> Iterator[Any]:
        """One thing, then nothing for ever."""
        yield lab().Thing(id=request.id, text=context.current().tenant)
        if request.behavior == "defect":
            raise RuntimeError("canary")
        if request.behavior == "large":
            yield lab().Thing(text="x" * (SEND_LIMIT + 1))
        if request.behavior == "conflict":
            raise Conflict("changed", revision=2)
        while still_open(30):
            yield lab().Thing(id=request.id)

    def CollectThings(self, things: Iterator[Any], _: grpc.ServicerContext) -> Any:
        """How many there were."""
        return lab().Thing(count=sum(1 for _ in things))

    def ExchangeThings(self, things: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        """The same again."""
        yield from things

    def ListThings(self, request: Any, _: grpc.ServicerContext) -> Any:
        """Twenty things of a megabyte, of which `page_token` counts those that were told; one too large at the end."""
        told = int(request.page_token or 0)
        things = [lab().Thing(id=str(n), text="x" * (1 << 20)) for n in range(20)]
        things.append(lab().Thing(id="20", text="x" * (SEND_LIMIT + 1)))
        page = things[told : told + (request.page_size or 50)]
        told += len(page)
        return lab().ListThingsResponse(things=page, next_page_token=str(told) if told < len(things) else "")

    def ImportThings(self, _request: Any, _: grpc.ServicerContext) -> Any:
        """Nothing."""
        return lab().ImportThingsResponse()


@pytest.fixture(scope="module")
def servicer() -> Lab:
    """What the server serves."""
    return Lab()


@pytest.fixture(scope="module")
def running(servicer: Lab) -> Iterator[Running]:
    """The server."""
    with logged(), serving([(lab().add_LabServiceServicer_to_server, servicer)], drain_seconds=0) as server:
        yield server


@pytest.fixture(scope="module")
def caller(running: Running) -> Iterator[Caller]:
    """A caller that may do everything."""
    made = Caller(running.target, running.token())
    yield made
    made.channel.close()


class People:
    """Gives one person, in every way."""

    def GetPerson(self, request: Any, _: grpc.ServicerContext) -> Any:
        """The person."""
        return lab().Person(id=request.id, name="Ada", canonical="ada@example.com")

    CallPerson = RevealPerson = GetPerson

    def WatchPeople(self, request: Any, rpc_context: grpc.ServicerContext) -> Iterator[Any]:
        """The person, twice."""
        yield from [self.GetPerson(request, rpc_context)] * 2


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        ((), ("A•••••", "a•••••@example.com")),
        (("profiles.names.read",), ("Ada", "a•••••@example.com")),
        (("profiles.contacts.read", "profiles.names.read"), ("Ada", "ada@example.com")),
    ],
)
def test_responses_and_streams_are_masked_at_the_exit(scopes: tuple[str, ...], shown: tuple[str, str]) -> None:
    people = lab().DESCRIPTOR.services_by_name["PeopleService"].methods_by_name
    request = lab().GetPersonRequest(id="p")
    with serving([(lab().add_PeopleServiceServicer_to_server, People())]) as running:
        caller = Caller(running.target, running.token("lab.people.read", *scopes))
        answers = [caller.unary(people["GetPerson"], request), *caller.stream(people["WatchPeople"], request)]
        assert [(each.name, each.canonical) for each in answers] == [shown] * 3
        caller.channel.close()


def test_what_a_call_reveals_is_what_it_names() -> None:
    people = lab().DESCRIPTOR.services_by_name["PeopleService"].methods_by_name
    with serving([(lab().add_PeopleServiceServicer_to_server, People())]) as running:
        caller = Caller(running.target, running.token("lab.people.reveal", "lab.people.call"))
        revealed = caller.unary(people["RevealPerson"], lab().GetPersonRequest(id="p", classes=["NAMES"]))
        assert (revealed.name, revealed.canonical) == ("Ada", "a•••••@example.com")
        called = caller.unary(people["CallPerson"], lab().GetPersonRequest(id="p"))
        assert (called.name, called.canonical) == ("A•••••", "ada@example.com")
        caller.channel.close()


def method(name: str) -> Any:
    """A method of the lab."""
    return lab().DESCRIPTOR.services_by_name["LabService"].methods_by_name[name]


def get(caller: Caller, behavior: str = "", **options: Any) -> Any:
    """Calls GetThing."""
    return caller.unary(method("GetThing"), lab().GetThingRequest(id="a", behavior=behavior), **options)


def refusal(caller: Caller, name: str, data: bytes) -> Failure | None:
    """How a call with these bytes fails, if it does."""
    try:
        caller.unary(method(name), data)
    except Failure as refused:
        return refused
    return None


# ------------------------------------------------------------------------------------------------- ways in


def test_each_kind_of_method_is_served(caller: Caller) -> None:
    things = [lab().Thing(id=str(number)) for number in range(3)]
    assert get(caller).id == "a"
    assert caller.stream(method("CollectThings"), iter(things)).count == 3
    assert list(caller.stream(method("ExchangeThings"), iter(things))) == things
    watch = caller.stream(method("WatchThings"), lab().GetThingRequest(id="w"))
    assert next(watch).text == "acme"
    watch.cancel()


def test_a_command_is_known_where_the_store_looks_for_it(caller: Caller, servicer: Lab) -> None:
    request = lab().CreateThingRequest(thing=lab().Thing(id="a"), request_id=REQUEST_ID)
    caller.unary(method("CreateThing"), request, metadata=(("x-request-id", "web:1"),))
    seen = servicer.seen[-1]
    assert (seen.tenant, seen.actor, seen.correlation_id) == ("acme", "user:test", "web:1")
    assert seen.command is not None
    assert seen.command.key == REQUEST_ID


def test_the_id_of_a_call_comes_back(caller: Caller) -> None:
    _, metadata = caller.answer(
        method("GetThing"), lab().GetThingRequest(id="a"), metadata=(("x-request-id", "web:2"),)
    )
    assert metadata["x-request-id"] == "web:2"
    _, metadata = caller.answer(method("GetThing"), lab().GetThingRequest(id="a"))
    assert len(metadata["x-request-id"]) == 32
    watch = caller.stream(method("WatchThings"), lab().GetThingRequest(id="w"))
    assert len(dict(watch.initial_metadata())["x-request-id"]) == 32
    watch.cancel()


def test_a_servicer_knows_what_time_is_left(caller: Caller) -> None:
    assert get(caller, "remaining", timeout=20).count == 20
    assert get(caller, "remaining", timeout=300).count == 30
    assert get(caller, "remaining", timeout=None).count == 5


# -------------------------------------------------------------------------------------------- ways to fail


@pytest.mark.parametrize(
    ("behavior", "code", "detail"),
    [
        ("missing", grpc.StatusCode.NOT_FOUND, error_details_pb2.ResourceInfo),
        ("wrong", grpc.StatusCode.INVALID_ARGUMENT, error_details_pb2.BadRequest),
        ("outage", grpc.StatusCode.UNAVAILABLE, error_details_pb2.RetryInfo),
        ("defect", grpc.StatusCode.INTERNAL, error_details_pb2.RequestInfo),
        ("abort", grpc.StatusCode.INTERNAL, error_details_pb2.RequestInfo),
        ("none", grpc.StatusCode.INTERNAL, error_details_pb2.RequestInfo),
    ],
)
def test_what_a_servicer_raises_reaches_the_caller_as_a_status(
    caller: Caller, behavior: str, code: grpc.StatusCode, detail: type[Any]
) -> None:
    with pytest.raises(Failure) as refused:
        get(caller, behavior)
    assert refused.value.code is code
    assert refused.value.detail(error_details_pb2.ErrorInfo).domain == "kehu"
    assert refused.value.detail(detail)
    assert "canary" not in str(refused.value.status)


@pytest.mark.parametrize(
    ("behavior", "code"), [("defect", grpc.StatusCode.INTERNAL), ("conflict", grpc.StatusCode.ABORTED)]
)
def test_a_stream_fails_after_what_it_has_sent(caller: Caller, behavior: str, code: grpc.StatusCode) -> None:
    watch = caller.stream(method("WatchThings"), lab().GetThingRequest(id="w", behavior=behavior))
    assert next(watch).id == "w"
    with pytest.raises(grpc.RpcError) as refused:
        next(watch)
    ended = failure(refused.value)
    assert ended.code is code
    assert ended.detail(error_details_pb2.ErrorInfo).domain == "kehu"
    assert "canary" not in str(ended.status)


def test_bytes_that_are_no_request_are_malformed_in_every_kind(caller: Caller) -> None:
    for name in ("GetThing", "CreateThing"):
        with pytest.raises(Failure) as refused:
            caller.unary(method(name), b"\xff\xff")
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.detail(error_details_pb2.ErrorInfo).reason == "MALFORMED_REQUEST"
    with pytest.raises(grpc.RpcError) as broken:
        caller.stream(method("CollectThings"), iter([b"", b"\xff\xff"]))
    assert failure(broken.value).detail(error_details_pb2.ErrorInfo).reason == "MALFORMED_REQUEST"
    with pytest.raises(grpc.RpcError) as broken:
        list(caller.stream(method("ExchangeThings"), iter([b"", b"\xff\xff"])))
    assert failure(broken.value).detail(error_details_pb2.ErrorInfo).reason == "MALFORMED_REQUEST"
    with pytest.raises(grpc.RpcError) as broken:
        next(caller.stream(method("WatchThings"), b"\xff\xff"))
    assert failure(broken.value).detail(error_details_pb2.ErrorInfo).reason == "MALFORMED_REQUEST"


def test_rules_are_checked_for_every_message_of_a_stream(caller: Caller) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        list(caller.stream(method("ExchangeThings"), iter([lab().Thing(), lab().Thing(count=-1)])))
    assert failure(refused.value).detail(error_details_pb2.BadRequest).field_violations[0].field == "count"


@pytest.mark.parametrize(("levels", "code"), [(40, grpc.StatusCode.OK), (5000, grpc.StatusCode.INVALID_ARGUMENT)])
def test_deep_nesting_is_bounded(caller: Caller, levels: int, code: grpc.StatusCode) -> None:
    thing = b""
    for _ in range(levels):
        thing = b"\x22" + _VarintBytes(len(thing)) + thing
    refused = refusal(caller, "CreateThing", b"\x0a" + _VarintBytes(len(thing)) + thing)
    assert (refused.code if refused else grpc.StatusCode.OK) is code


def test_an_unknown_method_is_unimplemented(caller: Caller) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        caller.channel.unary_unary("/lab.v1.LabService/Nothing")(b"", timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_what_is_too_large_is_refused(caller: Caller) -> None:
    with pytest.raises(Failure) as refused:
        caller.unary(method("CreateThing"), b"x" * (RECEIVE_LIMIT + 1))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "message larger than max" in refused.value.message  # by which the SDK knows it


def test_an_answer_that_is_too_large_is_refused_by_name(caller: Caller) -> None:
    before = count("grpc_server_handled_total", grpc_code="FAILED_PRECONDITION")
    with pytest.raises(Failure) as refused:
        get(caller, "large")
    info = refused.value.detail(error_details_pb2.ErrorInfo)
    assert (refused.value.code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RESPONSE_TOO_LARGE")
    assert int(info.metadata["bytes"]) > int(info.metadata["limit"]) == SEND_LIMIT
    until_counted(before + 1, grpc_code="FAILED_PRECONDITION")
    watch = caller.stream(method("WatchThings"), lab().GetThingRequest(id="w", behavior="large"))
    assert next(watch).id == "w"
    with pytest.raises(grpc.RpcError) as ended:
        next(watch)
    assert failure(ended.value).detail(error_details_pb2.ErrorInfo).reason == "RESPONSE_TOO_LARGE"


def until_counted(number: float, **labels: str) -> None:
    """Waits until so many calls of GetThing are counted."""
    end = time.monotonic() + 5
    while count("grpc_server_handled_total", **labels) < number:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_page_that_would_be_too_large_ends_early_and_none_is_lost(caller: Caller) -> None:
    seen, token, pages = list[str](), "", 0
    while token != "20":
        page = caller.unary(method("ListThings"), lab().ListThingsRequest(page_token=token), timeout=20)
        assert page.ByteSize() <= SEND_LIMIT
        seen += [thing.id for thing in page.things]
        token, pages = page.next_page_token, pages + 1
    assert seen == [str(n) for n in range(20)]
    assert pages <= 10, "pages are smaller than they have to be"
    with pytest.raises(Failure) as refused:
        caller.unary(method("ListThings"), lab().ListThingsRequest(page_token=token))
    assert refused.value.detail(error_details_pb2.ErrorInfo).reason == "RESPONSE_TOO_LARGE"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["GetThing", "CreateThing", "ImportThings"]), data=st.binary(max_size=200))
def test_any_bytes_are_answered_with_a_documented_status(caller: Caller, name: str, data: bytes) -> None:
    refused = refusal(caller, name, data)
    if refused is not None:
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.detail(error_details_pb2.ErrorInfo).domain == "kehu"


def test_stages_come_in_their_order(servicer: Lab) -> None:
    """authenticate, limit, deadline, validate: a call that offends several is told of the first."""
    spoilt = b"\xff\xff"
    with serving([(lab().add_LabServiceServicer_to_server, servicer)], tenant_rate=1) as running:
        writer, anybody = Caller(running.target, running.token("lab.things.write")), Caller(running.target)
        asked = Caller(running.target, running.token())
        slow = next(method for method in running.server.methods if method.path.endswith("/GetThing"))
        slow.seconds = 60.0
        assert reason(anybody, spoilt) == "UNAUTHENTICATED"
        assert reason(writer, spoilt) == "SCOPE_MISSING"
        assert reason(asked, spoilt) == "OVERLOADED the deadline is too short for what is going on"
        slow.seconds = 0.0
        assert reason(asked, spoilt) == "MALFORMED_REQUEST"
        assert reason(asked, spoilt) == "OVERLOADED too many calls of this tenant"
        for caller in (writer, anybody, asked):
            caller.channel.close()


def reason(caller: Caller, data: bytes) -> str:
    """Why GetThing refuses these bytes."""
    refused = refusal(caller, "GetThing", data)
    assert refused is not None
    info = refused.detail(error_details_pb2.ErrorInfo)
    return f"{info.reason} {refused.message}" if info.reason == "OVERLOADED" else str(info.reason)


# -------------------------------------------------------------------------------------------------- tokens


def test_a_token_that_is_not_accepted_is_answered_in_no_time(running: Running, caller: Caller) -> None:
    tokens = {
        "none": "",
        "garbage": "a.b.c",
        "expired": running.token(lifetime=timedelta(hours=-1)),
        "too long": running.token(lifetime=timedelta(hours=25)),
        "other issuer": running.token(issuer="other"),
    }
    for name, token in tokens.items():
        made = Caller(running.target, token)
        with pytest.raises(Failure) as refused:
            get(made)
        assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED, name
        assert refused.value.detail(error_details_pb2.ErrorInfo).reason == "UNAUTHENTICATED"
        refusals, answers = [], []
        for _ in range(20):  # in turns, so that what the machine does meanwhile is the same for both
            start = time.perf_counter()
            with pytest.raises(Failure):
                get(made)
            refusals.append(time.perf_counter() - start)
            start = time.perf_counter()
            get(caller)
            answers.append(time.perf_counter() - start)
        assert median(refusals) < 3 * median(answers), name
        made.channel.close()


def test_a_token_that_takes_long_to_verify_delays_only_those_like_it(
    running: Running, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(caller)
    verifier, gate = running.server._chain._verifier, threading.Event()
    verify = verifier._decode
    monkeypatch.setattr(verifier, "_decode", lambda token: (gate.wait(10), verify(token))[1])
    strangers = [Caller(running.target, running.token(subject=f"user:{n}")) for n in range(10)]
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda s=stranger: answers.append(get(s, timeout=20))) for stranger in strangers]
    for thread in threads:
        thread.start()
    while running.server._chain._verifying.in_flight < 10:
        time.sleep(0.005)
    assert get(caller).id == "a"
    assert answers == []
    gate.set()
    for thread in threads:
        thread.join()
    assert len(answers) == 10
    for stranger in strangers:
        stranger.channel.close()


def test_metadata_that_is_too_large_is_refused(running: Running, caller: Caller) -> None:
    with pytest.raises(Failure) as refused:
        get(Caller(running.target, "x" * 1024 * 1024))
    assert refused.value.code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
    assert get(caller).id == "a"


def test_a_token_opens_what_its_scopes_name(running: Running) -> None:
    reader = Caller(running.target, running.token("lab.things.read"))
    assert get(reader).id == "a"
    with pytest.raises(Failure) as refused:
        reader.unary(method("CreateThing"), lab().CreateThingRequest())
    assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert refused.value.detail(error_details_pb2.ErrorInfo).metadata["scope"] == "lab.things.write"
    reader.channel.close()


# ---------------------------------------------------------------------------------- health and reflection


def test_health_answers_without_a_token_by_every_name(running: Running, caller: Caller) -> None:
    health = health_pb2_grpc.HealthStub(caller.channel)
    for name in ("", "liveness", "readiness", "lab.v1.LabService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    with pytest.raises(grpc.RpcError) as refused:
        health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=5)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_watcher_of_health_is_told(running: Running, caller: Caller) -> None:
    watch = health_pb2_grpc.HealthStub(caller.channel).Watch(health_pb2.HealthCheckRequest(service="readiness"))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    running.server.set_ready(False)
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    running.server.set_ready(True)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_the_services_describe_themselves(caller: Caller) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(caller.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([asked]), timeout=5)))
    assert {service.name for service in answer.list_services_response.service} >= {
        "lab.v1.LabService",
        "grpc.health.v1.Health",
    }


# ------------------------------------------------------------------------------------------- observation


@pytest.fixture
def output() -> Iterator[io.BytesIO]:
    """The log."""
    with logged() as stream:
        yield stream


def lines(output: io.BytesIO, count: int) -> list[dict[str, Any]]:
    """So many lines, which come within moments."""
    end = time.monotonic() + 5
    while len(output.getvalue().splitlines()) < count:
        assert time.monotonic() < end, output.getvalue()
        time.sleep(0.01)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_one_line_per_call_tells_how_it_ended(caller: Caller, running: Running, output: io.BytesIO) -> None:
    get(caller, metadata=(("x-request-id", "web:3"),))
    (line,) = lines(output, 1)
    assert {name: line[name] for name in ("message", "method", "code", "request_id", "tenant", "actor")} == {
        "message": "call",
        "method": "/lab.v1.LabService/GetThing",
        "code": "OK",
        "request_id": "web:3",
        "tenant": "acme",
        "actor": "user:test",
    }
    for behavior in ("missing", "defect"):
        with pytest.raises(Failure):
            get(caller, behavior)
    with pytest.raises(Failure):
        get(Caller(running.target, "canary"))
    told = {line["code"]: line for line in lines(output, 4)}
    assert told["NOT_FOUND"]["reason"] == "NOT_FOUND"
    assert told["INTERNAL"]["level"] == "error"
    assert told["INTERNAL"]["exception"].endswith("RuntimeError: canary")
    assert "tenant" not in told["UNAUTHENTICATED"]


def count(metric: str, **labels: str) -> float:
    """The value of a metric for GetThing."""
    usual = {"grpc_type": "UNARY", "grpc_service": "lab.v1.LabService", "grpc_method": "GetThing"}
    return metrics.REGISTRY.get_sample_value(metric, usual | labels) or 0.0


def test_a_call_that_was_given_up_while_it_waited_is_counted(running: Running, servicer: Lab) -> None:
    """grpc drops such a call without running any of our code. Its place must be free again all the same."""
    servicer.gate.clear()
    before = count("grpc_server_handled_total", grpc_code="CANCELLED")
    patient, hasty = Caller(running.target, running.token()), Caller(running.target, running.token())
    threads = [threading.Thread(target=get, args=(patient, "wait"), kwargs={"timeout": 30}) for _ in range(8)]
    for thread in threads:
        thread.start()
    while running.server._unary.in_flight < 8:
        time.sleep(0.005)
    with pytest.raises(Failure) as refused:
        get(hasty, timeout=0.2)
    assert refused.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    time.sleep(0.3)  # until the server knows as well
    servicer.gate.set()
    for thread in threads:
        thread.join()
    end = time.monotonic() + 5
    while running.server._unary.in_flight or count("grpc_server_handled_total", grpc_code="CANCELLED") == before:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert count("grpc_server_started_total") > 0
    patient.channel.close()
    hasty.channel.close()
