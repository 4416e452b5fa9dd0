"""A simulated time of attention: zones, changes of clocks, two workers, one killed each week, and a plain calculation.

What is expected is worked out day by day with the zone database alone. Whoever was sent anything twice, at night, on
another day, or not at all, is named.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient

from libs.chassis import identity
from services.care.programs.domain.triggers import Recurrence
from services.care.touches.domain.touches import TouchState
from tests.support.care import GREETING, active, care_store, customer, introduce, mail_sender, pulse
from tests.support.contracts import ROOT
from tests.support.skips import long_run

ZONES = (
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Dubai",
    "Europe/Moscow",
    "Europe/Berlin",
    "Europe/London",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "Pacific/Honolulu",
    "Pacific/Kiritimati",
    "Australia/Sydney",
    "Australia/Lord_Howe",
)
SEED = 20260302
HOUR = timedelta(hours=1)
LATE = 3 * HOUR
"""A tick, and two more after a kill: the claim of whoever was killed is over at the next one."""
NIGHT = (21, 8)
BIRTHDAYS, EVENINGS = "Birthdays", "Evenings"
EVENING = replace(
    GREETING, on_date=None, recurrence=Recurrence(rule="FREQ=WEEKLY;BYDAY=SU", start_date=date(2026, 1, 1)),
    minute=22 * 60 + 30, useful_days=1,
)  # fmt: skip
"""Sundays at half past ten in the evening, so in quiet hours: it comes at eight the next morning."""


@dataclass(frozen=True)
class Person:
    """A customer as the plain calculation knows it."""

    id: str
    zone: str
    month: int
    day: int


def expected(people: list[Person], start: datetime, end: datetime) -> Mapping[tuple[str, str, date], datetime]:
    """(customer, program, day) → the instant at which it may come first."""
    found: dict[tuple[str, str, date], datetime] = {}
    for person in people:
        zone = ZoneInfo(person.zone)
        day = start.astimezone(zone).date() - timedelta(days=1)
        while day <= end.astimezone(zone).date():
            if (day.month, day.day) == (person.month, person.day):
                found[person.id, BIRTHDAYS, day] = at(day, clock(9), zone)
            if day.weekday() == 6:
                found[person.id, EVENINGS, day] = at(day + timedelta(days=1), clock(8), zone)
            day += timedelta(days=1)
    # What was meant to come before the start, or may only come after the end, is not judged.
    return {
        key: instant
        for key, instant in found.items()
        if meant(key, people_by_id(people)) >= start and instant + LATE <= end
    }


def people_by_id(people: list[Person]) -> Mapping[str, Person]:
    return {each.id: each for each in people}


def meant(key: tuple[str, str, date], people: Mapping[str, Person]) -> datetime:
    customer_id, program, day = key
    wall = clock(9) if program == BIRTHDAYS else clock(22, 30)
    return at(day, wall, ZoneInfo(people[customer_id].zone))


def at(day: date, wall: clock, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, wall, tzinfo=zone).astimezone(UTC)


class Worker:
    """A process that plans and sends when it is told the time."""

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "tests.support.care_worker", *arguments]
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=ROOT
        )

    def tell(self, moment: datetime) -> None:
        """Has it work at a time."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{moment.isoformat()}\n")
        self.process.stdin.flush()

    def wait(self) -> None:
        """Returns when it is done with a time."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "done\n", f"a worker ended with {self.process.poll()}"

    def kill(self) -> None:
        """Ends it without warning, and begins another one."""
        self.process.kill()
        self.process.wait()
        self._close()
        self._start()

    def stop(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def two_workers(*arguments: str) -> Iterator[list[Worker]]:
    workers = [Worker(*arguments), Worker(*arguments)]
    try:
        yield workers
    finally:
        for each in workers:
            each.stop()


@pytest.mark.parametrize(
    ("customers", "start", "days"),
    [
        pytest.param(48, datetime(2026, 3, 5, tzinfo=UTC), 12, id="twelve days over a change of clocks"),
        pytest.param(
            10_000,
            datetime(2026, 1, 1, tzinfo=UTC),
            365,
            id="a year of ten thousand",
            marks=[long_run, pytest.mark.timeout(6 * 3600)],
        ),
    ],
)
def test_nobody_is_forgotten_disturbed_or_told_twice(
    mongodb_uri: str, customers: int, start: datetime, days: int
) -> None:
    dice, end = random.Random(SEED), start + timedelta(days=days)
    name, provided = f"care_{uuid4().hex[:8]}", f"provider_{uuid4().hex[:8]}"
    mongo: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri, tz_aware=True)
    try:
        with care_store(mongodb_uri, name) as store:
            store.database.migrate()  # type: ignore[attr-defined]
            with identity.clock(identity.FixedClock(start)):
                people = introduced(store, dice, customers, start, days)
                mail_sender(store)
                programs = {active(store, GREETING, display_name=BIRTHDAYS).id: BIRTHDAYS}
                programs[active(store, EVENING, display_name=EVENINGS).id] = EVENINGS
            kills = lived_through(store, dice, start, end, (mongodb_uri, name, provided))
            sent = {}
            with identity.clock(identity.FixedClock(end)):
                for touch in all_sent(store):
                    assert touch.local_date is not None
                    taken = mongo[provided]["taken"].find_one({"_id": touch.id})
                    assert taken is not None, f"{touch.id} counts as sent, and nobody took it"
                    sent[touch.customer_id, programs[touch.program_id], touch.local_date] = taken["at"]
        wanted = expected(people, start, end)
        missed = [key for key in wanted if key not in sent]
        late = [
            (key, sent[key]) for key, first in wanted.items() if key in sent and not first <= sent[key] <= first + LATE
        ]
        zones = {each.id: ZoneInfo(each.zone) for each in people}
        night = [
            key for key, moment in sent.items() if not NIGHT[1] <= moment.astimezone(zones[key[0]]).hour < NIGHT[0]
        ]
        extra = [key for key in sent if key not in expected(people, start - timedelta(days=2), end + timedelta(days=2))]
        twice = mongo[provided]["twice"].count_documents({})
        count = mongo[provided]["taken"].count_documents({})
        sys.stdout.write(
            f"seed {SEED}: {customers} customers, {len(ZONES)} zones, {days} days, {kills} kills; "
            f"{len(wanted)} expected, {count} sent, {twice} twice, {len(missed)} missed, {len(night)} at night\n"
        )
        assert (twice, missed, late, night, extra) == (0, [], [], [], [])
        assert count == len(sent)
        assert kills >= days // 7
        assert len(wanted) >= customers
    finally:
        mongo.drop_database(name)
        mongo.drop_database(provided)
        mongo.close()


def introduced(store: Any, dice: random.Random, count: int, start: datetime, days: int) -> list[Person]:
    """Customers in all zones, whose birthdays lie in the time that is simulated."""
    people, told = [], []
    for number in range(count):
        birthday = (start + timedelta(days=dice.randrange(1, days - 1))).date()
        zone = ZONES[number % len(ZONES)]
        one = customer(
            number,
            preferences={"language_code": "zh-CN", "time_zone": zone},
            dates=[{"kind": "KIND_BIRTH", "month": birthday.month, "day": birthday.day, "year": 1980}],
        )
        told.append(one)
        people.append(Person(one.id, zone, birthday.month, birthday.day))
    introduce(store, *told)
    return people


def lived_through(store: Any, dice: random.Random, start: datetime, end: datetime, where: tuple[str, ...]) -> int:
    """Lets every hour pass for two workers, one of which is killed at work each week. How often that was."""
    kills, moment = 0, start
    fatal = start + dice.randrange(24, 7 * 24) * HOUR
    with two_workers(*where) as workers:
        while moment <= end:
            with identity.clock(identity.FixedClock(moment)):
                pulse(store)
            for each in workers:
                each.tell(moment)
            victim = dice.choice(workers) if moment >= fatal else None
            if victim is not None:
                time.sleep(dice.random() * 0.1)
                victim.kill()
                kills += 1
                fatal += timedelta(days=7)
            for each in workers:
                if each is not victim:
                    each.wait()
            moment += HOUR
    return kills


def all_sent(store: Any) -> Iterator[Any]:
    """The touches that were sent."""
    place = ""
    while True:
        some, place = store.touches.touches.stretch(None, order=(), after=place, limit=500)
        yield from (each for each in some if each.state is TouchState.SENT)
        if not place:
            return
