"""A day of a bank's calls through the running services, with 14 agents, while worker and api are killed in turns.

The day of 86,400 seconds runs in minutes, so waits are those of the pauses between two looks and say nothing about
people; what counts is that nobody is offered twice at once, and that nobody is lost.
"""

from __future__ import annotations

import csv
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from libs.client.client import Client
from libs.client.errors import Conflict, DeadlineExceeded, KehuError, PreconditionFailed, RateLimited, Unavailable
from tests.support.skips import long_run
from tests.support.stack import System

AGENTS, HANDLING = 14, 180.0
"""Agents, and the mean seconds of a call."""
LASTS = 200.0
"""Seconds in which the day runs."""
PACE = 86_400 / LASTS
KILL_EVERY = 7.0
PATIENCE = 240.0
"""Seconds after the last call in which everything has to be done."""


class Day:
    """Callers and agents, who repeat with the same key whatever was not answered."""

    def __init__(self, client: Client, calls: list[float]) -> None:
        self.client, self.calls = client, calls
        self.queue = client.interactions.create_queue(queue={"display_name": "Bank"}).id
        self.agents = [
            client.interactions.register_agent(agent={"principal": f"agent {n}", "queue_ids": [self.queue]}).id
            for n in range(AGENTS)
        ]
        self.asked: list[str] = []
        self.finished: Counter[str] = Counter()
        self.unanswered = 0
        self.over = threading.Event()
        self.troubles: list[BaseException] = []
        self.threads = [threading.Thread(target=self._guarded, args=(self._call,))]
        self.threads += [
            threading.Thread(target=self._guarded, args=(lambda agent=agent, n=n: self._serve(agent, n),))
            for n, agent in enumerate(self.agents)
        ]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as trouble:  # noqa: BLE001  (told by the test itself)
            self.troubles.append(trouble)

    def repeat(self, call: Callable[..., Any], **fields: Any) -> Any:
        """The answer to a call with a key, however often it has to be sent."""
        key, until = str(uuid.uuid4()), time.monotonic() + 120
        while True:
            try:
                return call(**fields, request_id=key)
            except (Unavailable, RateLimited, DeadlineExceeded, Conflict):
                self.unanswered += 1
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _call(self) -> None:
        begun = time.monotonic()
        for at in self.calls:
            time.sleep(max(0.0, begun + at / PACE - time.monotonic()))
            made = self.repeat(self.client.interactions.enqueue_work, work={"queue_id": self.queue})
            self.asked.append(made.id)

    def _serve(self, agent: str, seed: int) -> None:
        dice, seen = Random(seed), 0.0
        own = self.client.interactions
        while not self.over.is_set():
            try:
                if time.monotonic() > seen + 5:
                    self.repeat(own.set_presence, agent_id=agent, presence="AVAILABLE")
                    seen = time.monotonic()
                offered = self.repeat(own.offer_next, agent_id=agent)
                if not offered.HasField("work"):
                    time.sleep(0.1)
                    continue
                self.repeat(own.accept_work, work_id=offered.work.id, agent_id=agent)
                time.sleep(dice.expovariate(PACE / HANDLING))
                self.repeat(own.complete_work, work_id=offered.work.id, agent_id=agent, result={"resolved": True})
                self.finished[offered.work.id] += 1
            except PreconditionFailed:
                seen = 0.0  # the offer was over, or this agent was thought to be gone
            except KehuError:
                if not self.over.is_set():
                    raise


@pytest.fixture
def calls(reference_data: Path) -> list[float]:
    """Seconds after midnight of the calls of 9 March 1999."""
    dice, times = Random(1999), list[float]()
    with (reference_data / "callcentre" / "expected_staffing_1999-03-09_aht180.csv").open() as file:
        for row in csv.DictReader(file):
            hour, minute = map(int, row["start"].split(":"))
            times += [hour * 3600 + minute * 60 + 1800 * dice.random() for _ in range(int(row["calls"]))]
    return sorted(times)


def kill_until(stack: System, ended: Callable[[], bool], seconds: float) -> int:
    """Kills worker and api in turns until the end. How often."""
    until, kills = time.monotonic() + seconds, 0
    while not ended():
        if time.monotonic() > until:
            return kills
        name = ("interactions-worker", "interactions-api")[kills % 2]
        stack.kill(name)
        kills += 1
        stack.restart(name)
        time.sleep(KILL_EVERY)
    return kills


@long_run
@pytest.mark.timeout(900)
def test_a_day_of_calls_under_kills_loses_nobody_and_offers_nobody_twice(
    stack: System, client: Client, calls: list[float]
) -> None:
    day = Day(client, calls)
    for each in day.threads:
        each.start()
    begun = time.monotonic()
    kills = kill_until(stack, lambda: not day.threads[0].is_alive(), LASTS + PATIENCE)
    until = time.monotonic() + PATIENCE
    while sum(1 for _ in _in_state(client, day.queue, "DONE")) < len(day.asked) and time.monotonic() < until:
        time.sleep(2)
    day.over.set()
    for each in day.threads:
        each.join(60)
    assert day.troubles == []
    work = list(_in_state(client, day.queue, ""))
    assert {each.id for each in work} == {*day.asked}, "nobody is lost, and nobody is there whom nobody asked for"
    assert len(day.asked) == len(calls)
    assert all(each.result.resolved for each in work)
    for each in work:
        taken = [step for step in each.attempts if step.outcome == 1]
        gone = [step for step in each.attempts if step.outcome not in (1, 2, 3)]
        assert 1 <= len(taken) <= 1 + len(gone), each
        spans = sorted((_at(step.offer_time), _at(step.end_time)) for step in each.attempts)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "offered twice at once"
    assert set(day.finished.values()) == {1}, "nobody was served twice"
    held = [len(client.interactions.get_agent(agent_id=each).held) for each in day.agents]
    assert held == [0] * AGENTS
    assert kills >= 10
    waits = sorted(each.waited_seconds for each in work)
    logging.getLogger(__name__).info(
        "%d calls in %.0f s, %d kills, %d repeats; half waited %d s or less, nine of ten %d s",
        *(len(work), time.monotonic() - begun, kills, day.unanswered),
        *(waits[len(waits) // 2], waits[len(waits) * 9 // 10]),
    )


def _in_state(client: Client, queue: str, state: str) -> Any:
    return client.interactions.list_work(
        filter=f'queue_id = "{queue}"' + (f" AND state = {state}" if state else ""), page_size=500
    )


def _at(stamp: Any) -> Any:
    return stamp.ToDatetime(UTC)
