"""Refusals of business time."""

from __future__ import annotations

from datetime import datetime

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class TimeNotCountable(InvalidArgument):
    """{time} cannot be counted from: allowed are the years 1970 to 2199."""

    time: datetime


class CountingTooLong(InvalidArgument):
    """{weeks} weeks of {intervals} intervals are too much to count at once: their product may be {limit} at most."""

    weeks: int
    intervals: int
    limit: int


class NotEnoughWorkingTime(FailedPrecondition):
    """The calendar does not have {work} in the {years} years after {start}."""

    work: str
    years: int
    start: datetime


class DueBeforeStart(InvalidArgument):
    """{due_time} is not after {start_time}, when the time begins."""

    wrong_field = "term.civil_time"

    due_time: datetime
    start_time: datetime


class CalendarMissing(InvalidArgument):
    """A calendar is required for working_time and working_days."""

    wrong_field = "term.calendar_id"


class ClockEventAhead(InvalidArgument):
    """{time} lies in the future: an event of a clock is told when it has happened."""

    wrong_field = "time"

    time: datetime


class ClockEventUnfit(FailedPrecondition):
    """{kind} does not fit a clock that is {state}."""

    kind: str
    state: str
