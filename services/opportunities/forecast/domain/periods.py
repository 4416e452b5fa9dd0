"""Periods of a fiscal calendar: years, quarters and periods of about a month, by name and by day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import InvalidArgument, OpenEnum
from services.opportunities.pipelines.domain import FiscalCalendar, FiscalKind, YearEnd

_DAY: Final = timedelta(days=1)
_NAME: Final = re.compile(r"([0-9]{4})(?:-(Q[1-4]|P(?:0[1-9]|1[0-2])))?")
_YEARS: Final = range(1901, 2199)
"""Years that have a beginning and an end on the days that requests may name."""
_WEEKS: Final = {
    FiscalKind.WEEKS_445: (4, 4, 5),
    FiscalKind.WEEKS_454: (4, 5, 4),
    FiscalKind.WEEKS_544: (5, 4, 4),
}
_SATURDAY: Final = 6


class PeriodUnknown(InvalidArgument):
    """{period} is no period of the fiscal calendar: say 2026, 2026-Q2 or 2026-P05."""

    wrong_field: ClassVar[str] = "period"
    period: str


class PeriodUnclear(InvalidArgument):
    """Name a period such as 2026-Q2, or give its first and its last day: one of both."""

    wrong_field: ClassVar[str] = "period"


class PeriodBackward(InvalidArgument):
    """The period would end on {end_date}, before it begins on {start_date}."""

    wrong_field: ClassVar[str] = "end_date"
    start_date: str
    end_date: str


class Length(OpenEnum):
    """Length of a period."""

    YEAR = "YEAR"
    QUARTER = "QUARTER"
    PERIOD = "PERIOD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of business that belong together, both ends included."""

    name: str = ""
    """Name in the fiscal calendar. Empty for any two days."""
    start_date: date
    end_date: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end_date - self.start_date).days + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A period as it is asked for: by its name, or by its first and its last day."""

    name: str = ""
    start_date: date | None = None
    end_date: date | None = None

    def within(self, calendar: FiscalCalendar | None) -> Period:
        """The days that are meant. Refuses what is unclear or no period."""
        start, end = self.start_date, self.end_date
        if self.name:
            if start is not None or end is not None:
                raise PeriodUnclear
            return named(calendar, self.name)
        if start is None or end is None:
            raise PeriodUnclear
        if end < start:
            raise PeriodBackward(start_date=start.isoformat(), end_date=end.isoformat())
        return Period(start_date=start, end_date=end)


def named(calendar: FiscalCalendar | None, name: str) -> Period:
    """The period of a name. PeriodUnknown when the calendar has none."""
    found = _NAME.fullmatch(name)
    if found is None or int(found[1]) not in _YEARS:
        raise PeriodUnknown(period=name)
    return next(each for each in periods(calendar, int(found[1])) if each.name == name)


def around(calendar: FiscalCalendar | None, day: date, length: Length) -> Period:
    """The period that a day lies in."""
    for year in (day.year - 1, day.year, day.year + 1):
        for each in periods(calendar, year):
            if _length(each) is length and each.start_date <= day <= each.end_date:
                return each
    raise PeriodUnknown(period=day.isoformat())


def following(calendar: FiscalCalendar | None, period: Period) -> Period:
    """The period of the same length after one."""
    return around(calendar, period.end_date + _DAY, _length(period))


def periods(calendar: FiscalCalendar | None, year: int) -> Iterator[Period]:
    """The year, its quarters and its periods. A year has the number of the calendar year of its last month."""
    known = calendar or FiscalCalendar()
    bounds = [*_beginnings(known, year), _year_start(known, year + 1)]
    yield Period(name=str(year), start_date=bounds[0], end_date=bounds[12] - _DAY)
    for number in range(4):
        start, end = bounds[3 * number], bounds[3 * number + 3]
        yield Period(name=f"{year}-Q{number + 1}", start_date=start, end_date=end - _DAY)
    for number in range(12):
        yield Period(name=f"{year}-P{number + 1:02}", start_date=bounds[number], end_date=bounds[number + 1] - _DAY)


def _length(period: Period) -> Length:
    return {"Q": Length.QUARTER, "P": Length.PERIOD}.get(period.name[5:6], Length.YEAR)


def _beginnings(calendar: FiscalCalendar, year: int) -> list[date]:
    """The first days of the twelve periods of a year."""
    start = _year_start(calendar, year)
    if calendar.kind not in _WEEKS:
        return [_month(start.year, start.month + number) for number in range(12)]
    begins = [start]
    for weeks in (_WEEKS[calendar.kind] * 4)[:-1]:
        begins.append(begins[-1] + timedelta(weeks=weeks))
    return begins


def _year_start(calendar: FiscalCalendar, year: int) -> date:
    first = _month(year - (calendar.first_month > 1), calendar.first_month)
    if calendar.kind not in _WEEKS:
        return first
    last, weekday = first - _DAY, calendar.end_weekday or _SATURDAY
    back = (last.isoweekday() - weekday) % 7
    if calendar.year_end is YearEnd.NEAREST and back > 3:
        back -= 7
    return last - timedelta(days=back) + _DAY


def _month(year: int, month: int) -> date:
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
