"""Dates to remember, in the calendar in which the customer keeps them, and the days on which they fall."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import date

from lunar_python import Lunar, LunarMonth, LunarYear

from libs.chassis.domain import OpenEnum
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

FIRST_YEAR, LAST_YEAR = 1600, 2200
_LONGEST_GAP_OF_LEAP_DAYS = 8
"""Years between leap years where a century is none: 1896 to 1904."""


class TypedDateKind(OpenEnum):
    """What happens on a date."""

    BIRTH = "BIRTH"
    ANNIVERSARY = "ANNIVERSARY"
    CONTRACT = "CONTRACT"
    CUSTOM = "CUSTOM"


class Calendar(OpenEnum):
    """The calendar in which year, month and day count."""

    GREGORIAN = "GREGORIAN"
    CHINESE_LUNISOLAR = "CHINESE_LUNISOLAR"


class Feb29Policy(OpenEnum):
    """When 29 February is kept in a year that has none."""

    FEB28 = "FEB28"
    MAR01 = "MAR01"
    LEAP_ONLY = "LEAP_ONLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedDate:
    """A date to remember."""

    kind: TypedDateKind
    label: str = ""
    calendar: Calendar = Calendar.GREGORIAN
    year: int | None = None
    """Of that calendar. None when unknown. A Chinese year is named after the Gregorian year in which it begins."""
    month: int
    day: int
    leap_month: bool = False
    """Whether it is the leap month after the ordinary month of the same number."""
    feb29_policy: Feb29Policy = Feb29Policy.FEB28
    source: str = ""

    def completed(self, field: str, violations: Violations) -> TypedDate:
        """The date with clean texts. Refuses a date that its calendar does not have."""
        checked = replace(
            self,
            label=clean(self.label, f"{field}.label", 100, violations, required=self.kind is TypedDateKind.CUSTOM),
            source=clean(self.source, f"{field}.source", 100, violations),
        )
        if self.year is not None and not FIRST_YEAR <= self.year <= LAST_YEAR:
            violations.add(f"{field}.year", f"{self.year} is not between {FIRST_YEAR} and {LAST_YEAR}")
        elif not 1 <= self.month <= 12:
            violations.add(f"{field}.month", f"{self.month} is not between 1 and 12")
        elif self.calendar is Calendar.GREGORIAN:
            self._check_gregorian(field, violations)
        else:
            self._check_lunisolar(field, violations)
        return checked

    def next_occurrence(self, on_or_after: date) -> date | None:
        """The first day, not before the given one, on which the date is kept. None for one that never comes again.

        29 February follows its policy. The 30th of a Chinese month that has 29 days is kept on its last day, and a leap
        month in an ordinary year in the month of the same number.
        """
        years = range(on_or_after.year - 1, on_or_after.year + 2 + _LONGEST_GAP_OF_LEAP_DAYS)
        days = (self.occurrence(year) for year in years if self.year is None or year >= self.year)
        return next((day for day in days if day is not None and day >= on_or_after), None)

    def occurrence(self, year: int) -> date | None:
        """The day in a year of its own calendar on which the date is kept. None where there is none."""
        if self.calendar is Calendar.CHINESE_LUNISOLAR:
            return _solar(year, self._month_in(year), self.day)
        if (self.month, self.day) == (2, 29) and not calendar.isleap(year):
            return {
                Feb29Policy.FEB28: date(year, 2, 28),
                Feb29Policy.MAR01: date(year, 3, 1),
                Feb29Policy.LEAP_ONLY: None,
            }[self.feb29_policy]
        return date(year, self.month, self.day)

    def _check_gregorian(self, field: str, violations: Violations) -> None:
        if self.leap_month:
            violations.add(f"{field}.leap_month", "is for the Chinese calendar only")
        # Without a year, 29 February must be possible.
        days = calendar.monthrange(2000 if self.year is None else self.year, self.month)[1]
        if not 1 <= self.day <= days:
            violations.add(f"{field}.day", f"{self.day} is not between 1 and {days}, the days of month {self.month}")

    def _check_lunisolar(self, field: str, violations: Violations) -> None:
        if self.leap_month and self.year is not None and LunarYear.fromYear(self.year).getLeapMonth() != self.month:
            leap = LunarYear.fromYear(self.year).getLeapMonth()
            allowed = f"its leap month is {leap}" if leap else "it has none"
            violations.add(f"{field}.leap_month", f"year {self.year} has no leap month {self.month}; {allowed}")
            return
        days = 30 if self.year is None else _days(self.year, -self.month if self.leap_month else self.month)
        if not 1 <= self.day <= days:
            violations.add(f"{field}.day", f"{self.day} is not between 1 and {days}, the days of month {self.month}")

    def _month_in(self, year: int) -> int:
        """The month of a Chinese year in which the date falls, negative for a leap month as lunar_python has it."""
        leaps = self.leap_month and LunarYear.fromYear(year).getLeapMonth() == self.month
        return -self.month if leaps else self.month


def _days(year: int, month: int) -> int:
    count: int = LunarMonth.fromYm(year, month).getDayCount()
    return count


def _solar(year: int, month: int, day: int) -> date:
    solar = Lunar.fromYmd(year, month, min(day, _days(year, month))).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay())
