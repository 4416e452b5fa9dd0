"""Terms: by when something is promised, as it was said, and when that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from libs.worktime.civil import CivilTime
from libs.worktime.hours import Segment, WorkingHours
from libs.worktime.refusals import CalendarMissing, DueBeforeStart

MOST_SEGMENTS: Final = 400
"""Segments of an explanation: a year and more of working days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """By when something is promised, as it was said: exactly one of civil time, working time and working days."""

    calendar_id: str = ""
    civil_time: CivilTime | None = None
    working_time: timedelta | None = None
    working_days: int = 0

    def due(self, start: datetime, hours: WorkingHours | None) -> Deadline:
        """Works out when it is due. InvalidArgument when that is not after the start.

        `hours` are those of the calendar, without which only a civil time can be worked out.
        """
        if self.civil_time is not None:
            due = self.civil_time.instant()
            if due <= start:
                raise DueBeforeStart(due_time=due, start_time=start)
        elif hours is None:
            raise CalendarMissing
        elif self.working_time is not None:
            due = hours.add(start, self.working_time)
        else:
            due = hours.add_days(start, self.working_days)
        return Deadline(start, _whole_milliseconds(due), hours)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time between a promise and its due time: working time where a calendar says so, else elapsed time."""

    start: datetime
    due: datetime
    hours: WorkingHours | None = None

    @property
    def at_risk(self) -> datetime:
        """Time at which three quarters of it are over."""
        work = self.hours.elapsed(self.start, self.due) if self.hours is not None else timedelta(0)
        if self.hours is None or work <= timedelta(0):
            return _whole_milliseconds(self.start + (self.due - self.start) * 3 / 4)
        return _whole_milliseconds(self.hours.add(self.start, work * 3 / 4))

    def left(self, at: datetime) -> timedelta:
        """Part of it that is left. Negative when it is over."""
        return self.hours.elapsed(at, self.due) if self.hours is not None else self.due - at


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Due time of something, with what was counted to find out."""

    due_time: datetime
    at_risk_time: datetime
    working_time: timedelta | None = None
    """Absent without a calendar."""
    segments: tuple[Segment, ...] = ()


def explain(term: Term, start: datetime, hours: WorkingHours | None) -> Explanation:
    """The due time of a term that begins at `start`, with at most the first 400 segments that lead to it."""
    deadline = term.due(start, hours)
    if hours is None:
        return Explanation(due_time=deadline.due, at_risk_time=deadline.at_risk)
    return Explanation(
        due_time=deadline.due,
        at_risk_time=deadline.at_risk,
        working_time=hours.elapsed(start, deadline.due),
        segments=tuple(islice(hours.segments(start, deadline.due), MOST_SEGMENTS)),
    )


def _whole_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
