"""Business calendars, and working time counted in them.

A calendar speaks civil time; counting happens in UTC, on the merged intervals of one ISO week at a time. A shift over a
change of daylight saving time therefore lasts as long as the people who work it are there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, FieldViolation, InvalidArgument, OpenEnum

HORIZON = timedelta(days=3653)
"""How far ahead of a start working time is looked for."""
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Instants that can be counted from; the zone database says little outside of them."""

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


class Weekday(OpenEnum):
    """A day of the week, in the order of `date.weekday()`."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"

    @classmethod
    def of(cls, day: date) -> Weekday:
        """The weekday of a date."""
        return _WEEKDAYS[day.weekday()]


_WEEKDAYS = tuple(Weekday)


class ExceptionKind(OpenEnum):
    """How a date differs from the regular week."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    REPLACE = "REPLACE"


class Rule(OpenEnum):
    """What in a calendar says that a stretch of time is worked, or that a date is not."""

    WEEKLY = "WEEKLY"
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    REPLACE = "REPLACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteInterval:
    """Hours of one date, in minutes of the clock after its midnight; they may end on the next day."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyInterval:
    """Hours that recur every week; past midnight they still belong to `weekday`."""

    weekday: Weekday
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklySchedule:
    """A regular week, from `valid_from_date` until the next schedule begins; `None` means always."""

    valid_from_date: date | None = None
    intervals: tuple[WeeklyInterval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarException:
    """A date that differs from the regular week."""

    date: date
    kind: ExceptionKind
    intervals: tuple[MinuteInterval, ...] = ()
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of working time, or with the rule CLOSED a date without any."""

    date: date
    rule: Rule
    start_time: datetime | None = None
    end_time: datetime | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCalendar(Entity):
    """When somebody works."""

    ID_PREFIX: ClassVar[str] = "cal"

    display_name: str
    time_zone: str
    schedules: tuple[WeeklySchedule, ...]
    exceptions: tuple[CalendarException, ...] = ()

    def create(self) -> Change[BusinessCalendar]:
        """This calendar as a new one. InvalidArgument names every field that makes no sense."""
        _check(self)
        return self, [CalendarCreated(calendar=self)]

    def become(self, other: BusinessCalendar) -> Change[BusinessCalendar]:
        """This calendar with the content of another."""
        if other == self:
            return self, []
        _check(other)
        return other, [CalendarUpdated(calendar=other)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent(Event):
    """Something that happened to a calendar; carries it as it is afterwards."""

    calendar: BusinessCalendar


class CalendarCreated(CalendarEvent):
    """A calendar was created."""


class CalendarUpdated(CalendarEvent):
    """A calendar was changed."""


@dataclass(frozen=True, slots=True)
class _Week:
    """The merged working intervals of one ISO week and their running sum."""

    start: datetime
    end: datetime
    intervals: tuple[tuple[datetime, datetime], ...]
    sums: tuple[timedelta, ...]
    """Working time before each interval, and after the last: one more than there are intervals."""

    @property
    def total(self) -> timedelta:
        return self.sums[-1]

    def before(self, at: datetime) -> timedelta:
        """Working time of this week up to an instant."""
        i = bisect_right(self.intervals, at, key=lambda interval: interval[0])
        if i == 0:
            return timedelta(0)
        start, end = self.intervals[i - 1]
        return self.sums[i - 1] + min(at, end) - start

    def when(self, worked: timedelta) -> datetime:
        """The first instant at which so much of the working time of this week (more than none) is over."""
        i = bisect_left(self.sums, worked) - 1
        return self.intervals[i][0] + (worked - self.sums[i])


class WorkingHours:
    """Counts working time in a calendar. Every week is expanded once, when it is first needed."""

    def __init__(self, calendar: BusinessCalendar) -> None:
        self._zone = zone(calendar.time_zone, "time_zone")
        self._schedules = sorted(calendar.schedules, key=lambda schedule: schedule.valid_from_date or date.min)
        self._exceptions = {exception.date: exception for exception in calendar.exceptions}
        self._weeks: dict[date, _Week] = {}

    def add(self, start: datetime, work: timedelta) -> datetime:
        """The first instant at which `work` of working time has passed since `start`.

        FailedPrecondition when the calendar does not have that much within ten years.
        """
        _check_countable(start)
        if work <= timedelta(0):
            return start
        monday = self._monday(start)
        wanted = self._week(monday).before(start) + work
        last = (start + HORIZON).date()
        while monday <= last:
            week = self._week(monday)
            if wanted <= week.total:
                return week.when(wanted)
            wanted -= week.total
            monday += _WEEK
        raise _not_enough(f"{work} of working time", start)

    def add_days(self, start: datetime, days: int) -> datetime:
        """When the last of `days` working days closes. The date of `start` does not count.

        FailedPrecondition when the calendar does not have that many within ten years.
        """
        _check_countable(start)
        day = start.astimezone(self._zone).date()
        last = day + HORIZON
        while day < last:
            day += _DAY
            closings = [closes for opens, closes, _ in self._expand(day) if opens < closes]
            days -= bool(closings)
            if days == 0:
                return max(closings)
        raise _not_enough("working days", start)

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """Working time from `start` to `end`; negative when `end` comes first."""
        if end < start:
            return -self.elapsed(end, start)
        _check_countable(start)
        _check_countable(end)
        monday, last = self._monday(start), self._monday(end)
        worked = self._week(last).before(end) - self._week(monday).before(start)
        while monday < last:
            worked += self._week(monday).total
            monday += _WEEK
        return worked

    def segments(self, start: datetime, end: datetime) -> Iterator[Segment]:
        """What `elapsed` counts, stretch by stretch in order, with the closed dates in between."""
        _check_countable(start)
        _check_countable(end)
        counted = start
        day, last = start.astimezone(self._zone).date() - _DAY, end.astimezone(self._zone).date()
        while day <= last:
            exception = self._exceptions.get(day)
            label = exception.label if exception is not None else ""
            closed = exception is not None and exception.kind is ExceptionKind.CLOSED
            if closed and start < self._instant(day + _DAY, 0) and self._instant(day, 0) < end:
                yield Segment(date=day, rule=Rule.CLOSED, label=label)
            for opens, closes, rule in sorted(self._expand(day)):
                since, until = max(opens, counted), min(closes, end)
                if since < until:
                    shown = "" if rule is Rule.WEEKLY else label
                    yield Segment(date=day, rule=rule, start_time=since, end_time=until, label=shown)
                    counted = until
            day += _DAY

    def _week(self, monday: date) -> _Week:
        week = self._weeks.get(monday)
        if week is None:
            start, end = self._instant(monday, 0), self._instant(monday + _WEEK, 0)
            # Sunday's night shift may reach into the week: hours end on the day after they begin at the latest.
            days = [monday + n * _DAY for n in range(-1, 7)]
            pieces = sorted((max(a, start), min(b, end)) for day in days for a, b, _ in self._expand(day))
            intervals = tuple(_merge(pieces))
            sums = tuple(accumulate((b - a for a, b in intervals), initial=timedelta(0)))
            week = self._weeks[monday] = _Week(start, end, intervals, sums)
        return week

    def _monday(self, at: datetime) -> date:
        """The Monday of the ISO week, in the zone of the calendar, that an instant lies in."""
        day = at.astimezone(self._zone).date()
        monday = day - day.weekday() * _DAY
        # A change of clocks over a Monday's midnight shows a date of the one week while the other one runs.
        if at < self._week(monday).start:
            return monday - _WEEK
        return monday + _WEEK if at >= self._week(monday).end else monday

    def _expand(self, day: date) -> list[tuple[datetime, datetime, Rule]]:
        """The hours that belong to a date, as instants; not merged."""
        exception = self._exceptions.get(day)
        hours: list[tuple[int, int, Rule]] = []
        if exception is None or exception.kind is ExceptionKind.OPEN:
            weekday = Weekday.of(day)
            regular = [interval for interval in self._regular(day) if interval.weekday is weekday]
            hours += [(interval.start_minute, interval.end_minute, Rule.WEEKLY) for interval in regular]
        if exception is not None:
            rule = Rule(exception.kind)
            hours += [(interval.start_minute, interval.end_minute, rule) for interval in exception.intervals]
        return [(self._instant(day, start), self._instant(day, end), rule) for start, end, rule in hours]

    def _regular(self, day: date) -> Sequence[WeeklyInterval]:
        i = bisect_right(self._schedules, day, key=lambda schedule: schedule.valid_from_date or date.min)
        return self._schedules[i - 1].intervals if i else ()

    def _instant(self, day: date, minute: int) -> datetime:
        return instant(day, minute, self._zone)


def zone(name: str, path: str) -> ZoneInfo:
    """The zone of an IANA name; InvalidArgument that names the field `path` when there is none."""
    if violations := _zone_violations(name, path):
        raise InvalidArgument(violations=violations)
    return ZoneInfo(name)


def instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a minute of the clock after the midnight of a date; 1440 and more lie on later dates.

    Where clocks are set forward the offset from before applies, where they are set back the first of the two (fold 0
    of PEP 495).
    """
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _check(calendar: BusinessCalendar) -> None:
    violations = [
        *_zone_violations(calendar.time_zone, "time_zone"),
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


def _merge(pieces: Sequence[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Sorted intervals without overlaps; those that a change of clocks turned around vanish."""
    current: tuple[datetime, datetime] | None = None
    for start, end in pieces:
        if start >= end:
            continue
        if current is not None and start <= current[1]:
            current = current[0], max(current[1], end)
        else:
            if current is not None:
                yield current
            current = start, end
    if current is not None:
        yield current


def _check_countable(at: datetime) -> None:
    if not EARLIEST <= at < LATEST:
        raise InvalidArgument(f"{at.isoformat()} cannot be counted from: allowed are the years 1970 to 2199")


def _not_enough(what: str, start: datetime) -> FailedPrecondition:
    years = HORIZON.days // 365
    return FailedPrecondition(f"the calendar does not have that many {what} in the {years} years after {start}")


def _zone_violations(name: str, path: str) -> list[FieldViolation]:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return [FieldViolation(path, f"{name!r} is no IANA time zone; one is for example Asia/Shanghai")]
    return []


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
