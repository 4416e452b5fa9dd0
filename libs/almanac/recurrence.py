"""Days that come again and again, by rules of RFC 5545 without times: a time belongs to the zone of somebody.

A day is asked whether it belongs to a rule, so the cost is that of the days asked about, whatever the rule says. A rule
that never comes, such as a 30 February, costs no more than any other.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import ClassVar, Final

from libs.chassis.domain import InvalidArgument

_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS: Final = ("FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYDAY")
_BY_DAY: Final = re.compile(r"([+-]?[1-9][0-9]?)?(MO|TU|WE|TH|FR|SA|SU)")


class RecurrenceUnreadable(InvalidArgument):
    """{rule} is no rule of days: {problem}."""

    wrong_field: ClassVar[str] = "rule"
    rule: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that was read. Empty lists say nothing."""

    frequency: str
    interval: int = 1
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    """Days of a month, -1 for its last."""
    weekdays: frozenset[tuple[int, int]] = frozenset()
    """(which of its month or year, 0 for every one, weekday with 0 for Monday)."""

    @classmethod
    @lru_cache(maxsize=1024)
    def read(cls, text: str) -> Rule:
        """The rule of a text. RecurrenceUnreadable says what is wrong with it."""
        parts = dict(part.partition("=")[::2] for part in text.upper().split(";"))
        if wrong := [name for name in parts if name not in _PARTS]:
            raise RecurrenceUnreadable(rule=text, problem=f"{', '.join(wrong)} is none of {', '.join(_PARTS)}")
        if parts.get("FREQ") not in _FREQUENCIES:
            raise RecurrenceUnreadable(rule=text, problem=f"FREQ is one of {', '.join(_FREQUENCIES)}")
        weekdays = set[tuple[int, int]]()
        for each in filter(None, parts.get("BYDAY", "").split(",")):
            found = _BY_DAY.fullmatch(each)
            if found is None or (found[1] and parts["FREQ"] in ("DAILY", "WEEKLY")):
                raise RecurrenceUnreadable(rule=text, problem=f"BYDAY {each} is no day of a {parts['FREQ']} rule")
            weekdays.add((int(found[1] or 0), _WEEKDAYS.index(found[2])))
        return cls(
            frequency=parts["FREQ"],
            interval=next(iter(_numbers(text, parts, "INTERVAL", 1, 1000)), 1),
            months=_numbers(text, parts, "BYMONTH", 1, 12),
            month_days=_numbers(text, parts, "BYMONTHDAY", -31, 31),
            weekdays=frozenset(weekdays),
        )

    def holds(self, day: date, first: date) -> bool:
        """Tells whether a day belongs to the rule whose first day may be `first`."""
        return day >= first and self._in_step(day, first) and self._meets(day, first)

    def _in_step(self, day: date, first: date) -> bool:
        match self.frequency:
            case "DAILY":
                passed = (day - first).days
            case "WEEKLY":
                passed = (day - timedelta(days=day.weekday()) - first + timedelta(days=first.weekday())).days // 7
            case "MONTHLY":
                passed = (day.year - first.year) * 12 + day.month - first.month
            case _:
                passed = day.year - first.year
        return passed % self.interval == 0

    def _meets(self, day: date, first: date) -> bool:
        length = monthrange(day.year, day.month)[1]
        months, month_days = self.months, self.month_days
        if not (self.month_days or self.weekdays):
            if self.frequency == "WEEKLY":
                return day.weekday() == first.weekday() and (not months or day.month in months)
            if self.frequency != "DAILY":
                month_days = frozenset({first.day})
            if self.frequency == "YEARLY" and not months:
                months = frozenset({first.month})
        if months and day.month not in months:
            return False
        if month_days and not month_days & {day.day, day.day - length - 1}:
            return False
        return not self.weekdays or any(day.weekday() == each and self._nth(day, n) for n, each in self.weekdays)

    def _nth(self, day: date, which: int) -> bool:
        """Tells whether a day is that one of the same weekdays of its month, or of its year."""
        if which == 0:
            return True
        if self.frequency == "YEARLY" and not self.months:
            place = (day - date(day.year, 1, 1)).days
            left = (date(day.year, 12, 31) - day).days
        else:
            place, left = day.day - 1, monthrange(day.year, day.month)[1] - day.day
        return which == (place // 7 + 1 if which > 0 else -(left // 7) - 1)


def days_between(rule: str, first: date, start: date, end: date) -> list[date]:
    """The days of a rule whose first day may be `first`, from one day up to and without another."""
    read = Rule.read(rule)
    start = max(start, first)
    days = (start + timedelta(days=n) for n in range((end - start).days))
    return [day for day in days if read.holds(day, first)]


def _numbers(text: str, parts: dict[str, str], name: str, least: int, most: int) -> frozenset[int]:
    try:
        found = frozenset(int(each) for each in filter(None, parts.get(name, "").split(",")))
    except ValueError:
        found = frozenset({0})
    if any(each == 0 or not least <= each <= most for each in found):
        raise RecurrenceUnreadable(rule=text, problem=f"{name} is from {least} to {most}")
    return found
