"""Dates to remember, in the calendar in which the customer keeps them, and the days on which they fall."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace

from libs.almanac import lunisolar
from libs.almanac.yearly import Calendar, Feb29Policy, YearlyDay
from libs.chassis.domain import OpenEnum
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

FIRST_YEAR, LAST_YEAR = 1600, 2200


class TypedDateKind(OpenEnum):
    """Occasion of a date."""

    BIRTH = "BIRTH"
    ANNIVERSARY = "ANNIVERSARY"
    CONTRACT = "CONTRACT"
    CUSTOM = "CUSTOM"


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
    """True for the leap month after the ordinary month of the same number."""
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

    @property
    def yearly(self) -> YearlyDay:
        """The day as it comes every year. One in the Chinese calendar comes between 1901 and 2099."""
        return YearlyDay(
            calendar=self.calendar,
            month=self.month,
            day=self.day,
            leap_month=self.leap_month,
            feb29_policy=self.feb29_policy,
        )

    def _check_gregorian(self, field: str, violations: Violations) -> None:
        if self.leap_month:
            violations.add(f"{field}.leap_month", "is for the Chinese calendar only")
        # Without a year, 29 February must be possible.
        days = calendar.monthrange(2000 if self.year is None else self.year, self.month)[1]
        if not 1 <= self.day <= days:
            violations.add(f"{field}.day", f"{self.day} is not between 1 and {days}, the days of month {self.month}")

    def _check_lunisolar(self, field: str, violations: Violations) -> None:
        if self.year is not None and not lunisolar.YEAR_MIN <= self.year <= lunisolar.YEAR_MAX:
            known = f"{lunisolar.YEAR_MIN} and {lunisolar.YEAR_MAX}, the years of the Chinese calendar that are known"
            violations.add(f"{field}.year", f"{self.year} is not between {known}")
            return
        if self.leap_month and self.year is not None and lunisolar.leap_month(self.year) != self.month:
            leap = lunisolar.leap_month(self.year)
            allowed = f"its leap month is {leap}" if leap else "it has none"
            violations.add(f"{field}.leap_month", f"year {self.year} has no leap month {self.month}; {allowed}")
            return
        days = 30 if self.year is None else lunisolar.days_in(self.year, self.month, leap=self.leap_month)
        if not 1 <= self.day <= days:
            violations.add(f"{field}.day", f"{self.day} is not between 1 and {days}, the days of month {self.month}")
