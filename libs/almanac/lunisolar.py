"""The Chinese lunisolar calendar: months of 29 or 30 days, a leap month in seven of nineteen years, and solar terms.

All instants are read in UTC+8, as the calendar is defined. A Chinese year is named after the Gregorian year in which it
begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import ClassVar

from lunar_python import Lunar, LunarMonth, LunarYear, Solar

from libs.chassis.domain import InvalidArgument

YEAR_MIN, YEAR_MAX = 1901, 2099
"""Years for which the months are known."""

SOLAR_TERMS = (
    "小寒", "大寒", "立春", "雨水", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种", "夏至",
    "小暑", "大暑", "立秋", "处暑", "白露", "秋分", "寒露", "霜降", "立冬", "小雪", "大雪", "冬至",
)  # fmt: skip
"""Names of the solar terms, in the order of a Gregorian year."""


class YearUnknown(InvalidArgument):
    """The Chinese calendar of {year} is not known: the tables go from {first} to {last}."""

    wrong_field: ClassVar[str] = "year"
    year: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, order=True)
class LunarDay:
    """A day of the Chinese calendar."""

    year: int
    month: int
    day: int
    leap_month: bool = False
    """Set for the leap month after the ordinary month of the same number."""


class LunarDayUnknown(InvalidArgument):
    """The Chinese calendar has no such day: {problem}."""

    wrong_field: ClassVar[str] = "day"
    problem: str


def check(year: int) -> None:
    """YearUnknown unless the calendar of the year is known."""
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise YearUnknown(year=year, first=YEAR_MIN, last=YEAR_MAX)


def leap_month(year: int) -> int:
    """Number of the month that is repeated in a year. 0 when none is."""
    check(year)
    return int(LunarYear.fromYear(year).getLeapMonth())


def days_in(year: int, month: int, *, leap: bool = False) -> int:
    """Days of a month: 29 or 30."""
    check(year)
    return int(LunarMonth.fromYm(year, -month if leap else month).getDayCount())


def gregorian(day: LunarDay) -> date:
    """The Gregorian day. LunarDayUnknown when the year has no such month, or the month no such day."""
    check(day.year)
    if day.leap_month and leap_month(day.year) != day.month:
        raise LunarDayUnknown(problem=f"{day.year} has no leap month {day.month}")
    if not 1 <= day.day <= days_in(day.year, day.month, leap=day.leap_month):
        raise LunarDayUnknown(problem=f"month {day.month} of {day.year} has no day {day.day}")
    solar = Lunar.fromYmd(day.year, -day.month if day.leap_month else day.month, day.day).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay())


def lunar(day: date) -> LunarDay:
    """The day of the Chinese calendar."""
    found = Solar.fromYmd(day.year, day.month, day.day).getLunar()
    check(found.getYear())
    return LunarDay(found.getYear(), abs(found.getMonth()), found.getDay(), leap_month=found.getMonth() < 0)


def new_year(year: int) -> date:
    """First day of the first month."""
    return gregorian(LunarDay(year, 1, 1))


def new_years_eve(year: int) -> date:
    """Last day of a year: the 29th or 30th of its twelfth month, the day before the next year begins."""
    check(year)
    solar = Lunar.fromYmd(year + 1, 1, 1).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay()) - timedelta(days=1)


@lru_cache(maxsize=512)
def solar_term(year: int, term: str) -> date:
    """Day of a Gregorian year, in UTC+8, on which the sun reaches the term."""
    check(year)
    if term not in SOLAR_TERMS:
        raise ValueError(f"{term} is none of the 24 solar terms")
    # A table holds the terms around one Chinese year; those of January stand in the one before as well.
    table = Lunar.fromYmd(year, 6, 1).getJieQiTable()
    days = [
        date(each.getYear(), each.getMonth(), each.getDay())
        for name, each in table.items()
        if name == term or _PINYIN.get(name) == term
    ]
    return next(day for day in days if day.year == year)


_PINYIN = {"DA_XUE": "大雪", "DONG_ZHI": "冬至", "XIAO_HAN": "小寒", "DA_HAN": "大寒", "LI_CHUN": "立春",
           "YU_SHUI": "雨水", "JING_ZHE": "惊蛰"}  # fmt: skip
"""Names that lunar_python gives to terms that come for the second time in a table."""
