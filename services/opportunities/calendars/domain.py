"""Calendars as far as this service has heard of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Open
from libs.worktime.calendar import CalendarException, WeeklySchedule
from libs.worktime.hours import AroundTheClock, Hours, WorkingHours


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarProjection(Entity):
    """A calendar as interactions last told of it. Older states are skipped."""

    ID_PREFIX: ClassVar[str] = "cal"

    source_revision: int = 0
    time_zone: Open[str] = "UTC"
    """IANA name of the zone whose clock counts. Hours of the tenant, as all that follows."""
    schedules: Open[tuple[WeeklySchedule, ...]] = ()
    exceptions: Open[tuple[CalendarException, ...]] = ()

    def take(self, told: CalendarProjection) -> Change[CalendarProjection]:
        """The newer of this state and the one that was told."""
        return (self if self.source_revision >= told.source_revision else told), []


def hours_of(calendar: CalendarProjection | None) -> Hours:
    """Working hours of a calendar. Every hour without one."""
    return AroundTheClock() if calendar is None else WorkingHours(calendar)
