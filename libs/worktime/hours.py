"""Working time, counted in a calendar.

A calendar speaks civil time; counting happens in UTC, on the merged intervals of one ISO week at a time. A shift over a
change of daylight saving time therefore lasts as long as the people who work it are there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Final, Protocol

from libs.chassis.domain import OpenEnum
from libs.worktime.calendar import WEEKDAYS, Calendar, ExceptionKind, Weekday, WeeklySchedule
from libs.worktime.civil import check_countable, instant, zone
from libs.worktime.refusals import CountingTooLong, NotEnoughWorkingTime

HORIZON: Final = timedelta(days=3653)
"""Distance from a start within which working time is looked for."""
COST_LIMIT: Final = 60_000
"""Weeks times intervals that one answer may expand: ten years of the fullest calendar, a quarter of a second."""

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)


class Rule(OpenEnum):
    """Rule of a calendar that says that a stretch of time is worked, or that a date is not."""

    WEEKLY = "WEEKLY"
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    REPLACE = "REPLACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of working time, or with the rule CLOSED a date without any."""

    date: date
    rule: Rule
    start_time: datetime | None = None
    end_time: datetime | None = None
    label: str = ""


class Hours(Protocol):
    """Counts time: the working hours of a calendar, or every hour."""

    def add(self, start: datetime, work: timedelta) -> datetime:
        """The first instant at which so much has passed since the start."""

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """Time that passes from one instant to the other."""

    def segments(self, start: datetime, end: datetime) -> Iterator[Segment]:
        """Stretches that `elapsed` counts."""


class AroundTheClock:
    """Counts every hour."""

    def add(self, start: datetime, work: timedelta) -> datetime:
        """The instant that lies so much later."""
        return start + work

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """The time between."""
        return end - start

    def segments(self, start: datetime, end: datetime) -> Iterator[Segment]:
        """The whole stretch."""
        if start < end:
            yield Segment(date=start.date(), rule=Rule.WEEKLY, start_time=start, end_time=end)


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

    def __init__(self, calendar: Calendar) -> None:
        self._zone = zone(calendar.time_zone, "time_zone")
        schedules = sorted(calendar.schedules, key=lambda schedule: schedule.valid_from_date or date.min)
        self._begins = [schedule.valid_from_date or date.min for schedule in schedules]
        self._regular = [_by_weekday(schedule) for schedule in schedules]
        self._densest = max((len(schedule.intervals) for schedule in schedules), default=0)
        self._exceptions = {exception.date: exception for exception in calendar.exceptions}
        self._weeks: dict[date, _Week] = {}

    def add(self, start: datetime, work: timedelta) -> datetime:
        """The first instant at which `work` of working time has passed since `start`.

        NotEnoughWorkingTime when the calendar does not have that much within ten years.
        """
        check_countable(start)
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
        raise NotEnoughWorkingTime(work=f"{work} of working time", years=HORIZON.days // 365, start=start)

    def add_days(self, start: datetime, days: int) -> datetime:
        """Finds when the last of `days` working days closes. The date of `start` does not count.

        NotEnoughWorkingTime when the calendar does not have that many within ten years.
        """
        check_countable(start)
        day = start.astimezone(self._zone).date()
        last = day + HORIZON
        left = days
        while day < last:
            day += _DAY
            closings = [closes for opens, closes, _ in self._expand(day) if opens < closes]
            left -= bool(closings)
            if left == 0:
                return max(closings)
        raise NotEnoughWorkingTime(work=f"{days} working days", years=HORIZON.days // 365, start=start)

    def elapsed(self, start: datetime, end: datetime) -> timedelta:
        """Working time from `start` to `end`. Negative when `end` comes first.

        CountingTooLong when more would have to be expanded than one answer may cost.
        """
        if end < start:
            return -self.elapsed(end, start)
        self._check_span(start, end)
        monday, last = self._monday(start), self._monday(end)
        worked = self._week(last).before(end) - self._week(monday).before(start)
        while monday < last:
            worked += self._week(monday).total
            monday += _WEEK
        return worked

    def segments(self, start: datetime, end: datetime) -> Iterator[Segment]:
        """Yields the stretches that `elapsed` counts in order, with the closed dates in between."""
        self._check_span(start, end)
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
        """The hours that belong to a date, as instants, not merged."""
        exception = self._exceptions.get(day)
        hours: list[tuple[int, int, Rule]] = []
        if exception is None or exception.kind is ExceptionKind.OPEN:
            i = bisect_right(self._begins, day)
            hours += self._regular[i - 1][day.weekday()] if i else ()
        if exception is not None:
            rule = Rule(exception.kind)
            hours += [(interval.start_minute, interval.end_minute, rule) for interval in exception.intervals]
        return [(self._instant(day, start), self._instant(day, end), rule) for start, end, rule in hours]

    def _check_span(self, start: datetime, end: datetime) -> None:
        """Refuses what would cost too much, before anything is expanded: one call must not hold up all others."""
        check_countable(start)
        check_countable(end)
        weeks, intervals = (end - start) // _WEEK + 1, max(self._densest, 7)
        if weeks * intervals > COST_LIMIT:
            raise CountingTooLong(weeks=weeks, intervals=intervals, limit=COST_LIMIT)

    def _instant(self, day: date, minute: int) -> datetime:
        return instant(day, minute, self._zone)


def _by_weekday(schedule: WeeklySchedule) -> list[list[tuple[int, int, Rule]]]:
    """The hours of a regular week by the number of the weekday, Monday first."""
    days: list[list[tuple[int, int, Rule]]] = [[] for _ in Weekday]
    for interval in schedule.intervals:
        days[WEEKDAYS.index(interval.weekday)].append((interval.start_minute, interval.end_minute, Rule.WEEKLY))
    return days


def _merge(pieces: Sequence[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Sorted intervals without overlaps. Those that a change of clocks turned around vanish."""
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
