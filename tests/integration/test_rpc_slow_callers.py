"""Callers that open calls and send nothing, or not all, cost other tenants nothing: for every method that there is."""

# ruff: noqa: N802  (grpc calls servicers by the names of the protos)

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2

from libs.chassis.serving import still_open
from libs.engine import metrics
from libs.engine.rpc import public, receive, validate
from tests.support.contracts import GENERATED, SERVICES, method_ids
from tests.support.lab import Caller, Running, failure, lab, serving
from tests.support.slow import SlowCaller, announced

THREADS, STREAMS = 4, 64
HANGING = 70
"""Calls that one tenant leaves half-sent or idle: more than there are threads of any kind."""

NOTHING = announced(b"", 0)
"""A whole message that says nothing."""

CALLS, ATTEMPTS = 60, 20
"""Calls of a measurement, and measurements until one has to be good: whoever else runs shares this machine."""


def trivial(add: Callable[[Any, Any], None], service: Any) -> tuple[Callable[[Any, Any], None], object]:
    """A servicer that answers every method of a service with as little as there is."""

    def unary(method: MethodDescriptor) -> Callable[..., Any]:
        answer = GetMessageClass(method.output_type)
        return lambda *_: answer()

    def streaming(method: MethodDescriptor) -> Callable[..., Any]:
        answer = GetMessageClass(method.output_type)

        def serve(*_: object) -> Iterator[Any]:
            yield answer()
            while still_open(60):
                yield answer()

        return serve

    made = {m.name: staticmethod((streaming if m.server_streaming else unary)(m)) for m in service.methods}
    return add, type(service.name, (), made)()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of everything."""
    found = []
    for service in SERVICES:
        for path in sorted((GENERATED / "kehu" / service / "v1").glob("*_pb2.py")):
            messages = import_module(f"kehu.{service}.v1.{path.stem}")
            stubs = import_module(f"kehu.{service}.v1.{path.stem}_grpc")
            for name, declared in messages.DESCRIPTOR.services_by_name.items():
                found.append(trivial(getattr(stubs, f"add_{name}Servicer_to_server"), declared))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate, "validate", lambda _: None)  # so that a request may say nothing
        patch.setattr(public, "QUESTIONS_PER_SECOND", 0)  # so that nothing but what hangs can get in the way
        with serving(found, threads=THREADS, streams=STREAMS, tenant_rate=0) as server:
            yield server


@pytest.fixture(scope="module")
def stranger(running: Running) -> Iterator[Caller]:
    """A caller of another tenant."""
    made = Caller(running.target, running.token(tenant="globex"))
    yield made
    made.channel.close()


def ask(caller: Caller, method: MethodDescriptor) -> None:
    """One call that is answered."""
    if not (method.client_streaming or method.server_streaming):
        caller.unary(method, b"")
        return
    call = caller.stream(method, iter([b""]) if method.client_streaming else b"", timeout=5)
    next(call)
    call.cancel()


def p99(ask: Callable[[], None]) -> float:
    """Seconds that nearly all of some calls take."""
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return sorted(times)[CALLS * 99 // 100 - 1]


@contextmanager
def hanging(running: Running, path: str, tenant: str = "", *, message: bytes = b"") -> Iterator[None]:
    """One caller leaves calls of a method without a request, with a part of one, or with nothing after `message`."""
    slow = SlowCaller(running.target)
    token = running.token(tenant=tenant) if tenant else ""
    if token:
        running.server._chain._verifier.verify(token)  # else its calls count as those of nobody until it is
    for number in range(HANGING):
        slow.open(path, token=token, data=message or (announced(b"x" * 1000, 500) if number % 2 else b""))
    if message:
        slow.open(path, token=token)  # so that all before it are known when it is
    end = time.monotonic() + 10
    while len(running.server._chain.reception._waiting.get(tenant, ())) < (1 if message else HANGING):
        assert time.monotonic() < end, "the calls do not hang"
        time.sleep(0.001)
    try:
        yield
    finally:
        slow.close()


def assert_not_slower(ask: Callable[[], None], disturbed: Callable[[int], AbstractContextManager[None]]) -> None:
    """A call takes at most twice as long while somebody disturbs, in numbered attempts."""
    ask()
    ratios = []
    for attempt in range(ATTEMPTS):
        alone = p99(ask)
        with disturbed(attempt):
            ratios.append(p99(ask) / alone)
        if ratios[-1] <= 2:
            return
    pytest.fail(f"another tenant's calls take {min(ratios):.1f} times as long")


def path_of(method: MethodDescriptor) -> str:
    """The path of a method."""
    return f"/{method.containing_service.full_name}/{method.name}"


HEALTH, REFLECTION = public.HEALTH, public.REFLECTION
PUBLIC = (HEALTH.methods_by_name["Check"], HEALTH.methods_by_name["Watch"], *REFLECTION.methods)
METHODS = [*method_ids(), *(pytest.param(method, id=method.name) for method in PUBLIC)]


def tenant_of(method: MethodDescriptor, attempt: int) -> str:
    """The tenant that leaves calls of the method, none where nobody has to say who calls."""
    return "" if method in PUBLIC else f"{method.name} {attempt}"


@pytest.mark.parametrize("method", METHODS)
def test_half_sent_calls_of_one_tenant_slow_down_no_other(
    method: MethodDescriptor, running: Running, stranger: Caller
) -> None:
    path = path_of(method)
    assert_not_slower(lambda: ask(stranger, method), lambda n: hanging(running, path, tenant_of(method, n)))


@pytest.mark.parametrize("method", [each for each in METHODS if each.values[0].server_streaming])
def test_idle_streams_of_one_tenant_slow_down_no_other(
    method: MethodDescriptor, running: Running, stranger: Caller
) -> None:
    path = path_of(method)
    assert_not_slower(
        lambda: ask(stranger, method), lambda n: hanging(running, path, tenant_of(method, n), message=NOTHING)
    )


# ----------------------------------------------------------------------------------------- what becomes of them


class Lab:
    """Answers with what was asked."""

    def GetThing(self, request: Any, _: grpc.ServicerContext) -> Any:
        """At once."""
        return lab().Thing(id=request.id)

    CreateThing = WatchThings = CollectThings = ExchangeThings = ImportThings = ListThings = GetThing


@pytest.fixture
def server() -> Iterator[Running]:
    """A server of its own."""
    with serving([(lab().add_LabServiceServicer_to_server, Lab())]) as running:
        yield running


@pytest.fixture
def caller(server: Running) -> Iterator[Caller]:
    """A caller of it."""
    made = Caller(server.target, server.token())
    yield made
    made.channel.close()


GET = "/lab.v1.LabService/GetThing"


class Half:
    """Calls of GetThing that are not ended."""

    def __init__(self, server: Running) -> None:
        self._channel = grpc.insecure_channel(server.target)
        self._call = self._channel.stream_unary(GET)
        token = server.token()
        server.server._chain._verifier.verify(token)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._over = threading.Event()

    def begin(self) -> Any:
        """One more."""
        return self._call.future(self._nothing(), metadata=self._metadata)

    def empty(self) -> Any:
        """One that ends without a request."""
        return self._call.future(iter(()), metadata=self._metadata)

    def close(self) -> None:
        """Lets go of all."""
        self._over.set()
        self._channel.close()

    def _nothing(self) -> Iterator[bytes]:
        self._over.wait(30)
        yield from ()


@pytest.fixture
def half(server: Running) -> Iterator[Half]:
    """Half-sent calls."""
    made = Half(server)
    yield made
    made.close()


def until(condition: Callable[[], bool]) -> None:
    """Waits for other threads, seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def told(call: Any) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """The code, reason and metadata of a refusal."""
    refused = failure(call.exception(timeout=10))
    info = refused.detail(error_details_pb2.ErrorInfo)
    return refused.code, info.reason, dict(info.metadata)


def get(caller: Caller) -> Any:
    """A whole call."""
    method = lab().DESCRIPTOR.services_by_name["LabService"].methods_by_name["GetThing"]
    return caller.unary(method, lab().GetThingRequest(id="a"))


def test_a_request_that_does_not_come_in_time_is_refused_by_name(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "RECEIVE_SECONDS", 0.2)
    assert told(half.begin()) == (grpc.StatusCode.DEADLINE_EXCEEDED, "REQUEST_INCOMPLETE", {})


def test_a_call_that_ends_without_a_request_is_malformed(half: Half) -> None:
    assert told(half.empty())[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


def test_a_half_sent_call_that_is_given_up_is_counted_as_such(server: Running, half: Half) -> None:
    labels = {"grpc_type": "UNARY", "grpc_service": "lab.v1.LabService", "grpc_method": "GetThing"}

    def cancelled() -> float:
        labels_too = labels | {"grpc_code": "CANCELLED"}
        return metrics.REGISTRY.get_sample_value("grpc_server_handled_total", labels_too) or 0.0

    before, reception = cancelled(), server.server._chain.reception
    call = half.begin()
    until(lambda: reception.waiting == 1)
    call.cancel()
    until(lambda: reception.waiting == 0)
    assert cancelled() == before + 1


def test_the_oldest_half_sent_call_of_a_tenant_makes_room(
    server: Running, caller: Caller, half: Half, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "RECEIVING_SHARE", 3)
    monkeypatch.setattr(receive, "RECEIVE_SECONDS", 60.0)
    reception, calls = server.server._chain.reception, []
    for number in range(1, 4):
        calls.append(half.begin())
        until(lambda n=number: reception.waiting == n)  # type: ignore[misc]
    assert get(caller).id == "a"
    code, reason, metadata = told(calls[0])
    assert (code, reason, metadata["cause"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", "receiving")
    assert not calls[1].done()
    assert not calls[2].done()


def test_all_half_sent_calls_together_are_bounded(
    server: Running, caller: Caller, half: Half, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "RECEIVING", 2)
    stranger = Caller(server.target, server.token(tenant="globex"))
    first, second = half.begin(), half.begin()
    until(lambda: server.server._chain.reception.waiting == 2)
    assert get(stranger).id == "a"
    until(lambda: first.done() or second.done())
    assert server.server._chain.reception.waiting == 1
    stranger.channel.close()


def test_a_watch_of_the_health_that_nobody_reads_holds_up_nobody(server: Running, caller: Caller) -> None:
    deaf = SlowCaller(server.target, window=0)
    deaf.open(path_of(HEALTH.methods_by_name["Watch"]), data=NOTHING)
    health = server.server._health
    until(lambda: health._open == 1)
    for ready in (False, True, False):
        server.server.set_ready(ready)
    until(lambda: health._open == 0)
    assert get(caller).id == "a"
    deaf.close()


def test_watches_of_the_health_are_bounded_and_clients_take_the_server_for_healthy(
    server: Running, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "WATCHES_OF_PEER", 2)
    watches = []
    for _ in range(2):
        watches.append(caller.stream(HEALTH.methods_by_name["Watch"], b""))
        assert next(watches[-1]).status
    with pytest.raises(grpc.RpcError) as refused:
        next(caller.stream(HEALTH.methods_by_name["Watch"], b""))
    assert failure(refused.value).code is grpc.StatusCode.UNIMPLEMENTED
    watches[0].cancel()
    until(lambda: server.server._health._open == 1)
    assert next(caller.stream(HEALTH.methods_by_name["Watch"], b""))
    assert get(caller).id == "a"


def test_questions_about_the_services_are_answered_one_after_the_other(caller: Caller) -> None:
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol="lab.v1.Thing")] * 5
    answers = list(caller.stream(REFLECTION.methods_by_name["ServerReflectionInfo"], iter(asked), timeout=10))
    assert [len(answer.file_descriptor_response.file_descriptor_proto) > 0 for answer in answers] == [True] * 5
    with pytest.raises(grpc.RpcError) as refused:
        next(caller.stream(REFLECTION.methods_by_name["ServerReflectionInfo"], iter([b"\xff"]), timeout=10))
    assert failure(refused.value).detail(error_details_pb2.ErrorInfo).reason == "MALFORMED_REQUEST"
