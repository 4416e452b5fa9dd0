"""Dates to remember as a person reads them, and when they come next."""

from __future__ import annotations

from datetime import date

from kehu.profiles.v1.customer_pb2 import TypedDate

from libs.almanac.yearly import Calendar, Feb29Policy, YearlyDay
from libs.chassis.enums import enum_word

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
    """The next day on which the date is kept, today included. None when no calendar knows of one, or masked."""
    if not kept.month:
        return None
    return YearlyDay(
        calendar=Calendar(enum_word(TypedDate.Calendar.DESCRIPTOR, kept.calendar) or Calendar.GREGORIAN),
        month=kept.month,
        day=kept.day,
        leap_month=kept.leap_month,
        feb29_policy=Feb29Policy(enum_word(TypedDate.Feb29Policy.DESCRIPTOR, kept.feb29_policy) or Feb29Policy.FEB28),
    ).next(today)


def _lunar_day(day: int) -> str:
    """初一 to 三十."""
    if day in (20, 30):
        return "二十" if day == 20 else "三十"
    if day == 10:
        return "初十"
    return _TENS[day // 10] + _DIGITS[day % 10]
