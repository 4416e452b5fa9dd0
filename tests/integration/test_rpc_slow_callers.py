"""Callers that open calls and send nothing, or not all, cost other tenants nothing: for every method that there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from libs.chassis import rpc
from tests.support.contracts import GENERATED, SERVICES, method_ids
from tests.support.lab import Caller, Failure, Running, failure, serving
from tests.support.slow import SlowCaller, announced

THREADS, STREAMS = 4, 8
HANGING = 40
"""Calls that one tenant leaves half-sent: more than there are threads of any kind."""

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
            while rpc.still_open(60):
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
    with serving(found, threads=THREADS, streams=STREAMS, tenant_rate=0) as server:
        yield server


@pytest.fixture(scope="module")
def stranger(running: Running) -> Iterator[Caller]:
    """A caller of another tenant."""
    made = Caller(running.target, running.token(tenant="globex"))
    yield made
    made.channel.close()


def ask(caller: Caller, method: MethodDescriptor) -> None:
    """One call that is served: with an answer, or with what is wrong about an empty request."""
    try:
        if method.client_streaming or method.server_streaming:
            call = caller.stream(method, iter([b""]) if method.client_streaming else b"", timeout=5)
            try:
                next(call)
            finally:
                call.cancel()
        else:
            caller.unary(method, b"")
    except (grpc.RpcError, Failure) as error:
        refused = error if isinstance(error, Failure) else failure(error)
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT, refused


def p99(ask: Callable[[], None]) -> float:
    """Seconds that nearly all of some calls take."""
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begun)
    return sorted(times)[CALLS * 99 // 100 - 1]


@contextmanager
def hanging(running: Running, path: str, tenant: str = "") -> Iterator[None]:
    """One caller leaves calls of a method without a request, and with a part of one."""
    slow = SlowCaller(running.target)
    token = running.token(tenant=tenant) if tenant else ""
    for number in range(HANGING):
        slow.open(path, token=token, data=announced(b"x" * 1000, 500) if number % 2 else b"")
    end = time.monotonic() + 10
    while len(running.server._chain.reception._waiting.get(tenant, ())) < HANGING:
        assert time.monotonic() < end, "the calls do not hang"
        time.sleep(0.001)
    try:
        yield
    finally:
        slow.close()


def assert_not_slower(ask: Callable[[], None], disturbed: Callable[[int], AbstractContextManager[None]]) -> None:
    """A call takes at most twice as long while somebody disturbs; the attempts are numbered."""
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
    """How a method is called."""
    return f"/{method.containing_service.full_name}/{method.name}"


@pytest.mark.parametrize("method", method_ids())
def test_half_sent_calls_of_one_tenant_slow_down_no_other(
    method: MethodDescriptor, running: Running, stranger: Caller
) -> None:
    path = path_of(method)
    assert_not_slower(lambda: ask(stranger, method), lambda n: hanging(running, path, tenant=f"{path} {n}"))
