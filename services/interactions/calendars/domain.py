"""Business calendars, as this service keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event
from libs.worktime.calendar import CalendarException, WeeklySchedule, check


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCalendar(Entity):
    """Calendar of the hours that somebody works."""

    ID_PREFIX: ClassVar[str] = "cal"

    display_name: str
    time_zone: str
    schedules: tuple[WeeklySchedule, ...]
    exceptions: tuple[CalendarException, ...] = ()

    def create(self) -> Change[BusinessCalendar]:
        """This calendar as a new one. InvalidArgument names every field that makes no sense."""
        check(self)
        return self, [CalendarCreated(calendar=self)]

    def become(self, other: BusinessCalendar) -> Change[BusinessCalendar]:
        """This calendar with the content of another."""
        if other == self:
            return self, []
        check(other)
        return other, [CalendarUpdated(calendar=other)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRevision(Entity):
    """A calendar as it was at one of its revisions, which never changes."""

    ID_PREFIX: ClassVar[str] = "calr"

    calendar: BusinessCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent(Event):
    """Something that happened to a calendar. Carries it as it is afterwards."""

    calendar: BusinessCalendar


class CalendarCreated(CalendarEvent):
    """A calendar was created."""


class CalendarUpdated(CalendarEvent):
    """A calendar was changed."""
