"""The morning of a bank through routing, with 14 agents, under kills of worker and api.

A kill is one at the worst places: in the middle of a transaction, or after its commit and before the answer. Whoever
called repeats the call with the same key, as the client does, and a worker starts anew.
"""

from __future__ import annotations

import csv
import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from math import fsum
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Command, Context
from libs.chassis.domain import DomainError
from libs.chassis.filtering import field
from libs.engine.store.memory import MemoryDatabase
from services.interactions.callcenter.domain.erlang import Patient
from services.interactions.routing.application.people import People
from services.interactions.routing.application.queues import Queues
from services.interactions.routing.application.works import Works
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.work import OfferOutcome, WorkItem, WorkResult, WorkState
from services.interactions.store import InteractionsStore

AGENTS, HANDLING, WITHIN = 14, 330.0, 20.0
FIRST, LAST = "10:00", "11:30"
KILLS = 0.02
"""Share of all transactions that a kill hits."""
MIDNIGHT = datetime(1999, 3, 9, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone."""


class Mortal(MemoryDatabase):
    """A database whose clients are killed in the middle of a transaction, or right after its commit."""

    kills: Random | None = None
    killed = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        inside = self._inside if hasattr(self, "_inside") else False
        if inside or self.kills is None:
            with super().transaction():
                yield
            return
        self._inside = True
        fate = self.kills.random()
        try:
            with super().transaction():
                yield
                if fate < KILLS / 2:
                    self.killed += 1
                    raise Killed
        finally:
            self._inside = False
        if fate > 1 - KILLS / 2:
            self.killed += 1
            raise Killed


class Morning:
    """Callers, agents and the processes that serve them."""

    def __init__(self, calls: list[float], seed: int) -> None:
        self.random = Random(seed)
        self.database = Mortal("interactions")
        self.clock = identity.FixedClock(MIDNIGHT)
        self.store = InteractionsStore(self.database)
        self.start()
        self.keys = count(1)
        self.todo: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.now = 0.0
        self.queue = self.command(lambda: Queues(self.store.routing).create(WorkQueue(id="", display_name="Bank")))
        self.agents = [self._agent(n) for n in range(AGENTS)]
        self.database.kills = Random(seed + 1)
        for at in calls:
            self.plan(at, lambda at=at: self._call(at))
        for n, agent in enumerate(self.agents):
            self.plan(calls[0] - 5 + n / 10, lambda agent=agent: self._beat(agent))
        self.last = calls[-1] + 3600
        self.plan(calls[0], self._tick)

    def start(self) -> None:
        """Starts the processes, as after a kill: nothing is in memory."""
        self.works, self.people = Works(self.store.routing), People(self.store.routing)

    def plan(self, at: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.todo, (at, next(self.order), what))

    def command(self, call: Callable[[], Any]) -> Any:
        """The answer to a call with a key, repeated by its client until there is one."""
        key = str(UUID(int=next(self.keys)))
        while True:
            command = Command(key, key.encode())
            try:
                with context.enter(Context(tenant="bank", actor="boss", scopes=SCOPES, command=command)):
                    return call()
            except Killed:
                self.start()

    def run(self) -> None:
        while self.todo:
            self.now, _, what = heapq.heappop(self.todo)
            self.clock.at = MIDNIGHT + timedelta(seconds=self.now)
            what()

    def _agent(self, number: int) -> str:
        draft = QueueAgent(id="", principal=f"agent {number}", queue_ids=(self.queue.id,))
        return str(self.command(lambda: self.people.register(draft)).id)

    def _beat(self, agent: str) -> None:
        """Stays there, and looks at what is offered."""
        if self.now > self.last:
            return
        known = self._known(agent)
        if known.presence is Presence.OFFLINE:
            self.command(lambda: self.works.appear(agent, Presence.AVAILABLE))
        else:
            self.command(lambda: self.people.renew(agent))
        self.plan(self.now + 18, lambda: self._beat(agent))

    def _known(self, agent: str) -> QueueAgent:
        with context.enter(Context(tenant="bank", actor="boss")):
            return self.store.routing.agents.get(agent)

    def _call(self, _: float) -> None:
        self.command(lambda: self.works.enqueue(WorkItem(id="", queue_id=self.queue.id)))
        self._decide()

    def _tick(self) -> None:
        """The worker looks every half second while something waits, and offers are taken at once."""
        self._decide()
        if self.now < self.last:
            self.plan(self.now + (0.5 if self._waits() else 5.0), self._tick)

    def _waits(self) -> bool:
        with context.enter(Context(tenant="bank", actor="service:interactions")):
            return bool(self.store.routing.work.find_one(QUEUED_OR_OFFERED))

    def _decide(self) -> None:
        try:
            with context.enter(Context(tenant="bank", actor="service:interactions")):
                routing = self.store.routing
                self.works.lapse([each.entity for each in routing.lapsed().find(self.clock.at) if each.entity])
                self.works.wake([each.entity for each in routing.to_wake().find(self.clock.at) if each.entity])
                self.works.dispatch()
        except Killed:
            self.start()
        for agent in self.agents:
            for held in self._known(agent).held:
                if not held.accepted:
                    self._accept(agent, held.work_id)

    def _accept(self, agent: str, work: str) -> None:
        try:
            self.command(lambda: self.works.accept(work, agent))
        except DomainError:
            return
        self.plan(self.now + self.random.expovariate(1 / HANDLING), lambda: self._done(agent, work))

    def _done(self, agent: str, work: str) -> None:
        self.command(lambda: self.works.complete(work, agent, WorkResult(resolved=True)))
        self._decide()


QUEUED_OR_OFFERED = field("state").one_of([WorkState.QUEUED, WorkState.OFFERED])
SCOPES = frozenset({"interactions.work.supervise"})


@pytest.fixture
def calls(reference_data: Path) -> list[tuple[str, int]]:
    """(half hour, calls) of 9 March 1999."""
    with (reference_data / "callcentre" / "expected_staffing_1999-03-09_aht180.csv").open() as file:
        return [(row["start"], int(row["calls"])) for row in csv.DictReader(file) if FIRST <= row["start"] < LAST]


def test_nobody_is_offered_twice_and_nobody_is_lost(calls: list[tuple[str, int]]) -> None:
    random, times = Random(1999), []
    for start, number in calls:
        hour, minute = map(int, start.split(":"))
        times += [hour * 3600 + minute * 60 + random.random() * 1800 for _ in range(number)]
    day = Morning(sorted(times), 7)
    with identity.clock(day.clock):
        day.run()
        with context.enter(Context(tenant="bank", actor="boss")):
            work = day.store.routing.work.find(None, order="enqueue_time", limit=10_000)
            agents = day.store.routing.agents.find(None, order="principal", limit=100)
    assert day.database.killed > 50
    assert len(work) == len(times), "nobody is lost, and no call is there twice"
    assert Counter(each.state for each in work) == {WorkState.DONE: len(times)}
    for each in work:
        assert [step.outcome for step in each.attempts].count(OfferOutcome.ACCEPTED) == 1
        spans = sorted((step.offer_time, step.end_time) for step in each.attempts)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "offered twice at once"
    busy: dict[str, list[tuple[datetime, datetime]]] = {}
    for each in work:
        assert each.accept_time is not None
        assert each.done_time is not None
        busy.setdefault(each.agent_id, []).append((each.accept_time, each.done_time))
    for taken in busy.values():
        taken.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(taken)), "two calls at once"
    assert [each.held for each in agents] == [()] * AGENTS
    ours = sum((each.waited_seconds or 0) <= WITHIN for each in work) / len(work)
    levels = [
        (number, Patient(offered=number * HANDLING / 1800, agents=AGENTS, handling_time=HANDLING).service_level(WITHIN))
        for _, number in calls
        if 0 < number * HANDLING / 1800 < AGENTS
    ]
    erlang = fsum(number * level for number, level in levels) / sum(number for number, _ in levels)
    assert erlang == pytest.approx(0.895, abs=0.001), "of queues that have run for ever"
    assert ours == pytest.approx(0.987, abs=0.04), "of one that began empty at ten"
