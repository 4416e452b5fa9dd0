"""The server under more than it can do, with many watchers, and while it ends."""

# ruff: noqa: N802, T201  (grpc calls servicers by the names of the protos; figures are printed)

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from libs.chassis.serving import still_open
from libs.client.channel import connect
from libs.engine.rpc.limit import Limiter
from tests.support.lab import Caller, Failure, failure, lab, serving

WATCHES = 50


class Lab:
    """Things that take `count` milliseconds, and watches on which nothing happens."""

    def GetThing(self, request: Any, _: grpc.ServicerContext) -> Any:
        """Takes as many milliseconds as `behavior` says."""
        if request.behavior:
            time.sleep(int(request.behavior) / 1000)
        return lab().Thing(id=request.id)

    def WatchThings(self, request: Any, _: grpc.ServicerContext) -> Iterator[Any]:
        """Says that it is there, and waits; a `flood` never pauses."""
        yield lab().Thing(id=request.id)
        while request.behavior == "flood":
            yield lab().Thing(text="x" * 100_000)
        while still_open(60):
            yield lab().Thing(id=request.id)

    CreateThing = CollectThings = ExchangeThings = ImportThings = ListThings = GetThing


def servicers() -> list[Any]:
    """What the servers of this module serve."""
    return [(lab().add_LabServiceServicer_to_server, Lab())]


def method(name: str) -> Any:
    """A method of the lab."""
    return lab().DESCRIPTOR.services_by_name["LabService"].methods_by_name[name]


def get(caller: Caller, milliseconds: int = 0, **options: Any) -> Any:
    """Calls GetThing."""
    request = lab().GetThingRequest(id="a", behavior=str(milliseconds or ""))
    return caller.unary(method("GetThing"), request, **options)


@contextmanager
def watching(caller: Caller, number: int) -> Iterator[list[Any]]:
    """So many open watches."""
    watches = [caller.stream(method("WatchThings"), lab().GetThingRequest(id="w")) for _ in range(number)]
    for watch in watches:
        next(watch)
    try:
        yield watches
    finally:
        for watch in watches:
            watch.cancel()


def median_time(caller: Caller) -> float:
    """Seconds that a call takes."""
    times = []
    for _ in range(200):
        start = time.perf_counter()
        get(caller)
        times.append(time.perf_counter() - start)
    return sorted(times)[100]


def test_watches_take_no_thread_from_unary_calls() -> None:
    with serving(servicers(), threads=2, streams=2 * WATCHES) as running:
        caller = Caller(running.target, running.token())
        alone = median_time(caller)
        with watching(caller, WATCHES):
            assert running.server._unary.in_flight == 0
            assert median_time(caller) < alone * 10 + 0.05
            with pytest.raises(grpc.RpcError) as refused:
                next(caller.stream(method("WatchThings"), lab().GetThingRequest(id="w")))
            told = failure(refused.value)
            assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert told.detail(error_details_pb2.ErrorInfo).metadata["cause"] == "tenant_streams"
            stranger = Caller(running.target, running.token(tenant="globex"))
            with watching(stranger, 1):
                pass
            stranger.channel.close()
        end = time.monotonic() + 5
        while running.server._streams.in_flight:
            assert time.monotonic() < end, "a cancelled watch keeps its thread"
            time.sleep(0.01)
        caller.channel.close()


def test_callers_that_do_not_read_hold_up_nobody_else() -> None:
    with serving(servicers(), threads=2, streams=8) as running:
        caller, lazy = Caller(running.target, running.token()), Caller(running.target, running.token())
        alone = median_time(caller)
        floods = [lazy.stream(method("WatchThings"), lab().GetThingRequest(id="w", behavior="flood")) for _ in range(4)]
        for flood in floods:
            next(flood)
        time.sleep(0.2)
        assert median_time(caller) < alone * 10 + 0.05
        start = time.monotonic()
        running.server.stop()
        assert time.monotonic() - start < 15, "it waited for those who do not read"
        for made in (caller, lazy):
            made.channel.close()


def test_a_draining_server_ends_watches_and_finishes_calls() -> None:
    with serving(servicers(), drain_seconds=0) as running:
        caller = Caller(running.target, running.token())
        answers: list[Any] = []
        slow = threading.Thread(target=lambda: answers.append(get(caller, 500)))
        with watching(caller, 10) as watches:
            slow.start()
            time.sleep(0.1)
            start = time.monotonic()
            running.server.drain()
            took = time.monotonic() - start
            for watch in watches:
                with pytest.raises(grpc.RpcError) as ended:
                    next(watch)
                assert failure(ended.value).code is grpc.StatusCode.UNAVAILABLE
        slow.join()
        assert len(answers) == 1
        assert took < 10, "watches were not told at once"
        caller.channel.close()


def test_a_rolling_restart_fails_no_call_of_a_client_that_repeats_unavailable() -> None:
    with (
        serving(servicers(), drain_seconds=0) as first,
        serving(servicers(), keys=first.keys, drain_seconds=0) as second,
    ):
        channel = connect(f"ipv4:{first.target},{second.target}", retry=True)
        caller = Caller("", first.token(), channel=channel)
        stop = threading.Event()
        done, failed = [0] * 4, []

        def load(worker: int) -> None:
            while not stop.is_set():
                try:
                    get(caller, 2, timeout=10)
                    done[worker] += 1
                except Failure as error:
                    failed.append(error)

        threads = [threading.Thread(target=load, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        first.server.drain(0.2)
        time.sleep(0.3)
        with serving(servicers(), keys=first.keys, drain_seconds=0, listen=first.target):
            time.sleep(0.5)
            second.server.drain(0.2)
            time.sleep(0.3)
            stop.set()
            for thread in threads:
                thread.join()
        assert failed == []
        assert sum(done) > 50
        channel.close()


@dataclass
class Outcome:
    """What became of the calls of an open loop: it does not wait for answers, as a crowd of callers does not."""

    good: int = 0
    late: int = 0
    refused: list[float] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def crowd(target: str, token: str, *, rate: int, seconds: float, milliseconds: int, timeout: float) -> Outcome:
    """Calls `rate` times a second, each with its own deadline, and tells what came of it."""
    outcome = Outcome()
    channel = connect(target)
    call = channel.unary_unary("/lab.v1.LabService/GetThing")
    request = lab().GetThingRequest(id="a", behavior=str(milliseconds)).SerializeToString()
    metadata = (("authorization", f"Bearer {token}"),)
    waiting = threading.Semaphore(0)

    def send() -> None:
        start = time.perf_counter()
        future = call.future(request, timeout=timeout, metadata=metadata)

        def ended(answer: Any) -> None:
            match answer.code():
                case grpc.StatusCode.OK:
                    outcome.good += 1
                case grpc.StatusCode.RESOURCE_EXHAUSTED:
                    outcome.refused.append(time.perf_counter() - start)
                case grpc.StatusCode.DEADLINE_EXCEEDED:
                    outcome.late += 1
                case code:
                    outcome.others.append(str(code))
            waiting.release()

        future.add_done_callback(ended)

    total = int(rate * seconds)
    begin = time.perf_counter()
    for number in range(total):
        pause = begin + number / rate - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        send()
    for _ in range(total):
        waiting.acquire()
    channel.close()
    return outcome


def test_ten_times_the_load_leaves_most_of_the_capacity_useful(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 threads of 200 ms each can do 20 calls a second. 200 come, and give up after half a second."""
    shape: dict[str, Any] = {"rate": 200, "seconds": 3.0, "milliseconds": 200, "timeout": 0.5}
    capacity = 20 * shape["seconds"]
    with serving(servicers(), threads=4) as running:
        crowd(running.target, running.token(), **(shape | {"rate": 10}))
        guarded = crowd(running.target, running.token(), **shape)
        after = crowd(running.target, running.token(), **(shape | {"rate": 10}))
    with serving(servicers(), threads=4) as running:
        monkeypatch.setattr(Limiter, "admit", lambda *_: None)
        monkeypatch.setattr("libs.engine.rpc.deadline._MARGIN", 0.0)
        unguarded = crowd(running.target, running.token(), **shape)
    refused = quantiles(guarded.refused, n=100)
    print(
        f"goodput at 10x load: {guarded.good / capacity:.2f} of capacity with admission control, "
        f"{unguarded.good / capacity:.2f} without; "
        f"refused p50 {refused[49] * 1000:.1f} ms, p99 {refused[98] * 1000:.1f} ms"
    )
    assert guarded.others == unguarded.others == []
    assert after.good >= 10, "it serves again once the crowd has gone"
    assert guarded.good > 2 * unguarded.good
    # Caller, server and whoever else runs share this machine: figures are printed, and asserted is only what no slow
    # machine explains.
    assert refused[49] < 0.25, "a refusal takes as long as an answer would"
