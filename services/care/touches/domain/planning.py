"""Planning: the touches of an enrollment within a horizon, in the civil time of the customer.

A day and a minute are what was meant. The instant follows from the zone, and is worked out again whenever the zone or
the plan changes: in a gap of the clocks it moves on by the gap, and of two it is the first (RFC 5545).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from libs.worktime.civil import instant
from services.care.customers.domain.projection import CustomerProjection
from services.care.programs.domain.plans import Plan
from services.care.programs.domain.programs import Program
from services.care.programs.domain.triggers import Occasion
from services.care.touches.domain.touches import Touch

HORIZON: Final = timedelta(hours=48)
"""Time ahead of now for which touches are planned."""
BACK: Final = timedelta(days=3)
"""Time before now in which a touch that waits may be moved."""
_STEPS: Final = (timedelta(days=40), timedelta(days=420), timedelta(days=8 * 366))
"""Times ahead in which the next day is looked for, until one is found."""
_NEXT: Final = timedelta(minutes=1)
"""Least time until the next look."""
_AGAIN: Final = timedelta(days=30)
"""Pause until a plan whose next day nobody knows is looked at again."""
_FIRST, _LAST = date(1971, 1, 1), date(2198, 1, 1)


def zone_of(customer: CustomerProjection, program: Program) -> str:
    """The zone in which a customer most likely is."""
    return customer.time_zones[0] if customer.time_zones else program.time_zone


def candidates(customer: CustomerProjection, program: Program) -> tuple[str, ...]:
    """Every zone in which a customer may be."""
    return customer.time_zones or (program.time_zone,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Works out the touches of one customer in one program."""

    program: Program
    plan: Plan
    customer: CustomerProjection
    enrollment_id: str = ""

    def touches(self, start: datetime, end: datetime) -> Iterator[Touch]:
        """The touches that come from one instant to another, in order."""
        zone = ZoneInfo(zone_of(self.customer, self.program))
        days = _day(start, zone) - timedelta(days=1), _day(end, zone) + timedelta(days=2)
        found = [self._touch(each, zone) for each in self._occasions(*days)]
        yield from sorted(
            (each for each in found if start <= each.planned_time <= end), key=lambda each: each.planned_time
        )

    def next_time(self, after: datetime) -> datetime | None:
        """The time of the next look: that long before the next touch, or after a while when its day is not known."""
        if self.plan.comes_of_a_fact:
            return None
        for ahead in _STEPS:
            found = next(self.touches(after, after + ahead), None)
            if found is not None:
                return max(found.planned_time - HORIZON, after - HORIZON + _NEXT)
        return after + _AGAIN

    def at(self, at: datetime, occurrence: str, occasion: str = "") -> Touch:
        """The touch that comes of a fact at an instant, or at the minute of the plan on that day or the next."""
        zone = ZoneInfo(zone_of(self.customer, self.program))
        day = _day(at, zone) + timedelta(days=self.plan.offset_days)
        if self.plan.minute is None:
            return self._touch(Occasion(key=occurrence, day=day, name=occasion), zone, at=at)
        if self.plan.offset_days <= 0 and instant(day, self.plan.minute, zone) < at:
            day += timedelta(days=1)
        return self._touch(Occasion(key=occurrence, day=day, name=occasion), zone)

    def _occasions(self, start: date, end: date) -> Iterator[Occasion]:
        first, last = max(start, _FIRST), min(end, _LAST)
        if first < last:
            yield from self.plan.occasions(self.customer, first, last, self.program.id)

    def _touch(self, occasion: Occasion, zone: ZoneInfo, at: datetime | None = None) -> Touch:
        minute = self.plan.minute
        planned = at if at is not None else instant(occasion.day, minute or 0, zone)
        return Touch(
            id="",
            program_id=self.program.id,
            version=self.program.version,
            customer_id=self.customer.canonical_id,
            enrollment_id=self.enrollment_id,
            occurrence=occasion.key,
            occasion=occasion.name,
            local_date=occasion.day,
            minute=minute,
            time_zone=zone.key,
            planned_time=planned,
            expire_time=instant(occasion.day + timedelta(days=self.plan.useful_days + 1), 0, zone),
            purpose=self.program.purpose.consent,
            form=self.plan.form,
            channel=self.plan.by,
        )


def key_of(program_id: str, customer_id: str, occurrence: str) -> str:
    """The natural key of a touch: it happens once for a program, a customer and an occurrence."""
    return f"{program_id}:{customer_id}:{occurrence}"


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date() if at > _EARLY else _FIRST


_EARLY = datetime(1971, 1, 2, tzinfo=UTC)
