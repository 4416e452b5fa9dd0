"""Dates to remember as a person reads them, and when they come next."""

from __future__ import annotations

import calendar
from datetime import date

from kehu.profiles.v1.customer_pb2 import TypedDate
from lunar_python import Lunar, LunarYear

_MONTHS = ["正月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "冬月", "腊月"]
_TENS = ("初", "十", "廿", "三")
_DIGITS = "十一二三四五六七八九"


def describe(kept: TypedDate) -> str:
    """`1990-05-17`, `05-17`, or `农历1990年八月十五`. Dots for one that is masked."""
    if not kept.month:
        return "•••••"
    if kept.calendar == TypedDate.CALENDAR_CHINESE_LUNISOLAR:
        year = f"{kept.year}年" if kept.HasField("year") else ""
        return f"农历{year}{'闰' if kept.leap_month else ''}{_MONTHS[kept.month - 1]}{_lunar_day(kept.day)}"
    return (
        f"{kept.year}-{kept.month:02d}-{kept.day:02d}" if kept.HasField("year") else f"{kept.month:02d}-{kept.day:02d}"
    )


def next_time(kept: TypedDate, today: date) -> date | None:
    """The next day on which the date is kept, today included. None when that is more than four years away, or masked.

    A leap month is kept in the ordinary month of a year without it, and day 30 on day 29 of a short month.
    """
    if not kept.month:
        return None
    if kept.calendar == TypedDate.CALENDAR_CHINESE_LUNISOLAR:
        lunar_days = (_in_lunar_year(kept, year) for year in range(today.year - 1, today.year + 3))
        return next((day for day in lunar_days if day >= today), None)
    days = (_in_year(kept, year) for year in range(today.year, today.year + 5))
    return next((day for day in days if day is not None and day >= today), None)


def _in_year(kept: TypedDate, year: int) -> date | None:
    if (kept.month, kept.day) != (2, 29) or calendar.isleap(year):
        return date(year, kept.month, kept.day)
    if kept.feb29_policy == TypedDate.FEB29_POLICY_LEAP_ONLY:
        return None
    return date(year, 3, 1) if kept.feb29_policy == TypedDate.FEB29_POLICY_MAR01 else date(year, 2, 28)


def _in_lunar_year(kept: TypedDate, year: int) -> date:
    lunar_year = LunarYear.fromYear(year)
    month = -kept.month if kept.leap_month and lunar_year.getLeapMonth() == kept.month else kept.month
    days = lunar_year.getMonth(month).getDayCount()
    solar = Lunar.fromYmd(year, month, min(kept.day, days)).getSolar()
    return date(solar.getYear(), solar.getMonth(), solar.getDay())


def _lunar_day(day: int) -> str:
    """初一 to 三十."""
    if day in (20, 30):
        return "二十" if day == 20 else "三十"
    if day == 10:
        return "初十"
    return _TENS[day // 10] + _DIGITS[day % 10]
