"""Calendars: the regular week, and the dates that differ from it, in the civil time of one zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from libs.chassis.domain import FieldViolation, InvalidArgument, OpenEnum
from libs.worktime.civil import zone_violations


class Weekday(OpenEnum):
    """A day of the week."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


WEEKDAYS = tuple(Weekday)
"""The days of the week in the order of `date.weekday()`."""


class ExceptionKind(OpenEnum):
    """Way in which a date differs from the regular week."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    REPLACE = "REPLACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteInterval:
    """Hours of one date, in minutes of the clock after its midnight. They may end on the next day."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyInterval:
    """Hours that recur every week. Past midnight they still belong to `weekday`."""

    weekday: Weekday
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklySchedule:
    """A regular week, from `valid_from_date` until the next schedule begins. `None` means always."""

    valid_from_date: date | None = None
    intervals: tuple[WeeklyInterval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarException:
    """A date that differs from the regular week."""

    date: date
    kind: ExceptionKind
    intervals: tuple[MinuteInterval, ...] = ()
    label: str = ""


class Calendar(Protocol):
    """Everything that says when somebody works: an entity, a projection or a plain value with these fields."""

    @property
    def time_zone(self) -> str:
        """The IANA name of the zone whose clock counts."""

    @property
    def schedules(self) -> Sequence[WeeklySchedule]:
        """The regular weeks, each from its date on."""

    @property
    def exceptions(self) -> Sequence[CalendarException]:
        """The dates that differ, each once."""


def check(calendar: Calendar) -> None:
    """Refuses a calendar that makes no sense, naming every wrong field."""
    violations = [
        *zone_violations(calendar.time_zone, "time_zone"),
        *_repeats("schedules", "valid_from_date", [schedule.valid_from_date for schedule in calendar.schedules]),
        *_repeats("exceptions", "date", [exception.date for exception in calendar.exceptions]),
    ]
    for i, schedule in enumerate(calendar.schedules):
        violations += _reversed(f"schedules[{i}]", schedule.intervals)
    for i, exception in enumerate(calendar.exceptions):
        path = f"exceptions[{i}]"
        violations += _reversed(path, exception.intervals)
        if (exception.kind is ExceptionKind.CLOSED) == bool(exception.intervals):
            needed = "must be empty for CLOSED" if exception.intervals else f"are required for {exception.kind}"
            violations.append(FieldViolation(f"{path}.intervals", needed))
    if violations:
        raise InvalidArgument(violations=violations)


def _repeats(path: str, key: str, values: Sequence[date | None]) -> list[FieldViolation]:
    first: dict[date | None, int] = {}
    return [
        FieldViolation(f"{path}[{i}].{key}", f"is the same as in {path}[{first[value]}]; each may occur once")
        for i, value in enumerate(values)
        if first.setdefault(value, i) != i
    ]


def _reversed(path: str, intervals: Sequence[WeeklyInterval | MinuteInterval]) -> list[FieldViolation]:
    return [
        FieldViolation(
            f"{path}.intervals[{i}].end_minute",
            f"{interval.end_minute} is not after start_minute {interval.start_minute}; the next day's 06:00 is 1800",
        )
        for i, interval in enumerate(intervals)
        if interval.end_minute <= interval.start_minute
    ]
