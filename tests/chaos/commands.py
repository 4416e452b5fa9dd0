"""Callers who use every method that changes something, and the judgement of what they did.

The methods and their requests are made from the descriptors. Each call acts under a name of its own, which its events
carry: every event tells of one call, and what a call did can be counted. They work in a tenant beside that of the other
callers, whose customers are counted by name.
"""

from __future__ import annotations

import random
import re
import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import grpc
from google.protobuf.descriptor import MethodDescriptor

from libs.registry import SERVICES
from tests.support.contracts import methods, reads, rows, streams
from tests.support.examples import request
from tests.support.lab import Caller, Failure
from tests.support.security import DOCUMENTED, harvest
from tests.support.stack import System

CALL_TIMEOUT = 20.0
FINISH_WITHIN = 40.0
"""Seconds after the end of the load in which calls that were begun may still be answered."""
REMEMBERED = 8
"""Things of each kind that calls are about."""
STEPS: Final = {"ConvertLead": 3}
"""Method → changes of one entity that one call makes: a conversion is written down before each of its steps."""
AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
}
"""Answers after which a caller sends the same request again."""


def commands() -> list[MethodDescriptor]:
    """Every method that changes something and takes one message."""
    return [m for service in SERVICES for m in methods(service) if not (reads(m) or rows(m) or streams(m))]


@dataclass(slots=True)
class Call:
    """One request and what became of it."""

    method: str
    begins_work: bool
    """True when it begins an operation, whose changes go on after the answer and carry the same name."""
    tries: int = 0
    answer: str = ""
    """The status that ended it. Empty while nothing has."""
    entity: str = ""
    revision: int = 0


@dataclass(slots=True)
class Commands:
    """Callers on threads of their own, for the life of the block."""

    system: System
    tenant: str
    seed: int
    callers: int = 2
    calls: dict[str, Call] = field(default_factory=dict)
    """Actor → what that actor did."""
    refused: list[str] = field(default_factory=list)
    """Answers that no fault excuses."""
    _pool: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=REMEMBERED)))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _give_up_at: float = float("inf")
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._call_on_and_on, args=(n,)) for n in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._give_up_at = time.monotonic() + FINISH_WITHIN
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def accepted(self) -> Counter[str]:
        """Method → calls that were acknowledged."""
        return Counter(call.method for call in self.calls.values() if call.answer == "OK")

    def _call_on_and_on(self, number: int) -> None:
        choose = random.Random(self.seed * 1000 + number)
        every, channels = commands(), {service: self.system.channel(service) for service in SERVICES}
        turn: list[MethodDescriptor] = []
        while not self._stop.is_set():
            if not turn:  # all of them, in an order that is new each time
                turn = choose.sample(every, len(every))
            method = turn.pop()
            self._call(method, request(method, self._some_ids(choose)), channels)
        for channel in channels.values():
            channel.close()

    def _call(self, method: MethodDescriptor, sent: Any, channels: Mapping[str, grpc.Channel]) -> None:
        actor, service = f"call-{uuid.uuid4().hex}", method.containing_service.file.package.split(".")[1]
        call = Call(method.name, begins_work=method.output_type.name == "Operation")
        with self._lock:
            self.calls[actor] = call
        caller = Caller("", self.system.token(self.tenant, subject=actor), channel=channels[service])
        while time.monotonic() < self._give_up_at:
            call.tries += 1
            try:
                made = caller.unary(method, sent, timeout=CALL_TIMEOUT)
            except Failure as failed:
                if failed.code in AGAIN:
                    self._stop.wait(0.2)
                    continue
                call.answer = failed.code.name
                if failed.code not in DOCUMENTED:
                    self.refused.append(f"{method.name}: {failed.code.name} {failed.message}")
                return
            call.answer, call.entity = "OK", getattr(made, "id", "")
            call.revision = getattr(made, "revision", 0)
            self._remember(made)
            return

    def _some_ids(self, choose: random.Random) -> dict[str, str]:
        with self._lock:
            return {name: choose.choice(known) for name, known in self._pool.items()}

    def _remember(self, made: Any) -> None:
        found: dict[str, str] = {}
        harvest(made, found)
        with self._lock:
            for name, id in found.items():
                if id not in self._pool[name]:
                    self._pool[name].append(id)
                if re.fullmatch("[a-z]+", name) and id not in self._pool[f"other_{name}"]:
                    self._pool[f"other_{name}"].appendleft(id)


def judge(load: Commands, journals: Sequence[Mapping[str, Any]], revisions: Mapping[str, int]) -> dict[str, list[str]]:
    """Compares changes with answers.

    `journals` are the entries of all services with the actor of each; `revisions` is entity → revision as it is stored.
    """
    done: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for entry in journals:
        done[entry["actor"]][entry["entity_id"]].add(entry["revision"])
    return {"I1": sorted(_wrong(load, done, revisions))}


def _wrong(load: Commands, done: Mapping[str, Mapping[str, set[int]]], revisions: Mapping[str, int]) -> Iterator[str]:
    for actor, call in load.calls.items():
        if call.revision and call.entity in revisions and revisions[call.entity] < call.revision:
            yield f"{call.entity} is at {revisions[call.entity]}, {call.method} was told {call.revision}"
        refused = call.answer not in ("", "OK")
        for entity, at in done.get(actor, {}).items():
            # The one excuse: somebody's erasure began while something was stored about them, and it was withdrawn.
            if at == {1, 2} and call.answer == "FAILED_PRECONDITION":
                continue
            if refused and call.tries == 1:
                yield f"{call.method} was refused with {call.answer} and changed {entity}"
            if len(at) > STEPS.get(call.method, 1) and not call.begins_work:
                yield f"{call.method} changed {entity} {len(at)} times, at {sorted(at)}"
