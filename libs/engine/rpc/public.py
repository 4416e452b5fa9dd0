"""Health and reflection: anybody may ask for them.

Probes and load balancers ask while all threads are busy, and strangers may ask as well. So none of it holds a thread
while nothing is asked: a watch of the health is a note in a table, and a conversation about the services waits for its
next question as a call waits for its request, see `receive`. Nothing here is logged or counted per call.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from libs.chassis.domain import NotFound
from libs.engine.rpc.call import Call, Method, describe_public
from libs.engine.rpc.errors import TooManyWatchers
from libs.engine.rpc.limit import Buckets
from libs.engine.rpc.pools import Pool
from libs.engine.rpc.receive import Reception, Then, Work
from libs.engine.rpc.validate import malformed

M = TypeVar("M", bound=Message)

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]

WATCHES = 4000
"""Watches of the health of one server, each some 15 kB."""

WATCHES_OF_PEER = 16
"""Watches on one connection, of which a client needs one."""

QUESTIONS_PER_SECOND = 200
"""Questions about the services that are answered, each with up to 100 kB."""

_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()
_NOT_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING).SerializeToString()
_UNKNOWN = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


class ServiceUnknown(NotFound):
    """This server serves no {service}."""

    service: str


class Health:
    """The standard health service (`grpc.health.v1`)."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}
        self._watches: dict[str, set[Work]] = {}
        self._of_peer: Counter[bytes] = Counter()
        self._open = 0
        self._changing = threading.Lock()

    def methods(self) -> list[tuple[Method, Then]]:
        """Pairs each method with the function that answers its calls."""
        named = HEALTH.methods_by_name
        return [
            (describe_public(named["Check"]), self._check),
            (describe_public(named["Watch"]), self._watch),
        ]

    def set(self, names: Iterable[str], serving: bool) -> None:
        """Tells those who ask, and those who watch, how it stands with the services of these names."""
        answer = _SERVING if serving else _NOT_SERVING
        with self._changing:
            told: list[Work] = []
            for name in names:
                self._answers[name] = answer
                told += self._watches.get(name, ())
            for work in told:
                if not work.send(answer):
                    # It has not even read what it was told before. A client that still lives watches again.
                    work.cancel()

    def _check(self, work: Work) -> None:
        name = _name(work)
        answer = self._answers.get(name)
        if answer is None:
            work.refuse(ServiceUnknown(service=name))
        else:
            work.end(answer)

    def _watch(self, work: Work) -> None:
        name, peer = _name(work), work.peer
        with self._changing:
            full = self._of_peer[peer] >= WATCHES_OF_PEER or self._open >= WATCHES
            if not full and work.when_over(partial(self._forget, name, peer, work)):
                self._open += 1
                self._of_peer[peer] += 1
                self._watches.setdefault(name, set()).add(work)
                work.send(self._answers.get(name, _UNKNOWN))
        if full:
            work.refuse(TooManyWatchers("too many watch the health of this server; take it for healthy"))

    def _forget(self, name: str, peer: bytes, work: Work) -> None:
        with self._changing:
            self._open -= 1
            self._of_peer[peer] -= 1
            if not self._of_peer[peer]:
                del self._of_peer[peer]
            self._watches[name].discard(work)
            if not self._watches[name]:
                del self._watches[name]


class Reflection:
    """The standard description of the services (`grpc.reflection.v1alpha`), a question at a time."""

    def __init__(self, services: Iterable[str], reception: Reception) -> None:
        self._answers = reflection.ReflectionServicer((*services, HEALTH.full_name, REFLECTION.full_name))
        self._reception = reception
        self._pool = Pool("reflection", 1, lambda _: None)
        self._bucket = Buckets(QUESTIONS_PER_SECOND)

    def methods(self) -> list[tuple[Method, Then]]:
        """Pairs each method with the function that answers its calls."""
        return [(describe_public(REFLECTION.methods_by_name["ServerReflectionInfo"]), self._take)]

    def close(self) -> None:
        """Lets the thread end."""
        self._pool.shutdown()

    def _take(self, work: Work) -> None:
        if work.data is None:
            work.end()
            return
        self._bucket.take("", time.perf_counter())
        self._pool.take(_Question(work, self._answer))

    def _answer(self, work: Work) -> None:
        try:
            asked = _read(reflection_pb2.ServerReflectionRequest, work)
            (answer,) = self._answers.ServerReflectionInfo(iter((asked,)), None)
        except Exception as error:  # noqa: BLE001  (every error becomes a status)
            work.refuse(error)
        else:
            self._reception.resume(work, answer.SerializeToString())


@dataclass(frozen=True, slots=True)
class _Question:
    """One question, for a thread."""

    work: Work
    answer: Callable[[Work], None]

    @property
    def call(self) -> Call:
        """The call that brings it."""
        return self.work.call

    def do(self) -> None:
        """Answers it."""
        self.answer(self.work)


def _name(work: Work) -> str:
    name: str = _read(health_pb2.HealthCheckRequest, work).service
    return name


def _read(kind: type[M], work: Work) -> M:
    try:
        return kind.FromString(work.data or b"")
    except DecodeError:
        raise malformed(work.call.method) from None
