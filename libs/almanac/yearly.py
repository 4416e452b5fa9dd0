"""Days that come once a year, in the calendar in which they are kept, and what a year does that has no such day."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

from libs.almanac.lunisolar import YEAR_MAX, YEAR_MIN, LunarDay, days_in, gregorian, leap_month
from libs.chassis.domain import OpenEnum

_GAP_YEARS_MAX = 8
"""Years between leap years where a century is none: 1896 to 1904."""


class Calendar(OpenEnum):
    """The calendar in which a day counts."""

    GREGORIAN = "GREGORIAN"
    CHINESE_LUNISOLAR = "CHINESE_LUNISOLAR"


class Feb29Policy(OpenEnum):
    """Day on which 29 February is kept in a year that has none."""

    FEB28 = "FEB28"
    MAR01 = "MAR01"
    LEAP_ONLY = "LEAP_ONLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class YearlyDay:
    """A day that is kept every year."""

    calendar: Calendar = Calendar.GREGORIAN
    month: int
    day: int
    leap_month: bool = False
    """Set for the leap month after the ordinary month of the same number."""
    feb29_policy: Feb29Policy = Feb29Policy.FEB28

    def occurrence(self, year: int) -> date | None:
        """The day in a year of its own calendar on which it is kept. None where it is not, or where nobody knows: in a
        calendar, or by a policy, of a newer release.

        The 30th of a Chinese month that has 29 days is kept on its last day, and a day of a leap month in the ordinary
        month of the same number where the year does not repeat it. YearUnknown outside of the Chinese tables.
        """
        if self.calendar is Calendar.CHINESE_LUNISOLAR:
            leaps = self.leap_month and leap_month(year) == self.month
            last = days_in(year, self.month, leap=leaps)
            return gregorian(LunarDay(year, self.month, min(self.day, last), leap_month=leaps))
        if self.calendar is not Calendar.GREGORIAN:
            return None
        if (self.month, self.day) == (2, 29) and not calendar.isleap(year):
            return {
                Feb29Policy.FEB28: date(year, 2, 28),
                Feb29Policy.MAR01: date(year, 3, 1),
                Feb29Policy.LEAP_ONLY: None,
            }.get(self.feb29_policy)
        return date(year, self.month, self.day)

    def between(self, start: date, end: date) -> list[date]:
        """Every occurrence from the first day up to and without the second, in order.

        Years of the day's own calendar are gone through, so that a Chinese day is kept once for each Chinese year: two
        may fall into one Gregorian year, and none into another.
        """
        years = range(start.year - 1, end.year + 2)
        if self.calendar is Calendar.CHINESE_LUNISOLAR:
            years = range(max(years.start, YEAR_MIN), min(years.stop, YEAR_MAX + 1))
        days = (self.occurrence(year) for year in years if date.min.year <= year < date.max.year)
        return sorted(day for day in days if day is not None and start <= day < end)

    def next(self, on_or_after: date) -> date | None:
        """First occurrence that is not before a day. None when the calendar knows of none."""
        end = date(min(on_or_after.year + _GAP_YEARS_MAX + 2, date.max.year), 1, 1)
        return next(iter(self.between(on_or_after, end)), None)
