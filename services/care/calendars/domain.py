"""Dates that people keep, public holidays by the notices that set them, and clocks on walls with their changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from libs.almanac.festivals import FESTIVALS, Culture, festival
from libs.almanac.lunisolar import (
    SOLAR_TERMS,
    YEAR_MAX,
    YEAR_MIN,
    LunarDay,
    check,
    days_in,
    gregorian,
    leap_month,
    lunar,
    new_years_eve,
    solar_term,
)
from libs.chassis.domain import Change, Entity, FailedPrecondition, InvalidArgument, OpenEnum
from libs.worktime.civil import instant, zone_violations

YEARS_MAX: Final = 60
"""Years that are told of in one answer."""
_STEP: Final = timedelta(hours=6)
"""Distance at which two offsets of a zone are compared: no zone changes its clocks twice within it."""


class TimeZoneUnknown(InvalidArgument):
    """The zone database knows no {time_zone}: one is for example Asia/Shanghai."""

    wrong_field: ClassVar[str] = "time_zone"
    time_zone: str


class WallTimeInGap(FailedPrecondition):
    """The clocks of {time_zone} jump over {wall_time}: take the policy FIRST to move it on by the gap."""

    time_zone: str
    wall_time: str


class WallTimeAmbiguous(FailedPrecondition):
    """The clocks of {time_zone} show {wall_time} twice: take FIRST or SECOND."""

    time_zone: str
    wall_time: str


class HolidaysUnknown(FailedPrecondition):
    """No holidays of {region_code} are known for {year}: the notices end with {last_year}, 0 for none at all."""

    region_code: str
    year: int
    last_year: int


class StretchTooLong(InvalidArgument):
    """One answer tells of {allowed} years at most, the first of which comes before the last."""

    wrong_field: ClassVar[str] = "last_year"
    allowed: int


# ------------------------------------------------------------------------------------------------ the Chinese calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class FestivalDay:
    """A festival in one year."""

    festival: str
    culture: Culture
    names: Mapping[str, str]
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class LunarDate:
    """A day of the Chinese calendar, with the civil day that it is."""

    year: int
    month: int
    day: int
    leap_month: bool = False
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class LunarMonth:
    """A month of the Chinese calendar."""

    month: int
    leap_month: bool
    start_date: date
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LunarYear:
    """A year of the Chinese calendar."""

    year: int
    leap_month: int
    months: tuple[LunarMonth, ...]
    new_years_eve_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarTermDay:
    """The day in UTC+8 on which the sun reaches a solar term."""

    term: str
    date: date


def festival_days(keys: Sequence[str], cultures: Sequence[str], first: int, last: int) -> Iterator[FestivalDay]:
    """Festivals of some years, by day. FestivalUnknown for a key that no table knows."""
    _check_stretch(first, last)
    chosen = [festival(each) for each in keys] or [*FESTIVALS.values()]
    found = [
        FestivalDay(festival=each.key, culture=each.culture, names=each.names, date=day)
        for each in chosen
        if not cultures or str(each.culture) in cultures
        for day in each.between(date(max(first, YEAR_MIN + 1), 1, 1), date(last, 12, 31) + timedelta(days=1))
    ]
    yield from sorted(found, key=lambda each: (each.date, each.festival))


def lunar_date(day: date) -> LunarDate:
    """The day of the Chinese calendar that a civil day is. YearUnknown beyond the tables."""
    check(day.year)
    found = lunar(day)
    return LunarDate(year=found.year, month=found.month, day=found.day, leap_month=found.leap_month, date=day)


def civil_date(year: int, month: int, day: int, *, leap: bool) -> LunarDate:
    """The civil day that a day of the Chinese calendar is. LunarDayUnknown when there is no such day."""
    found = gregorian(LunarDay(year, month, day, leap_month=leap))
    return LunarDate(year=year, month=month, day=day, leap_month=leap, date=found)


def lunar_year(year: int) -> LunarYear:
    """The months of a year, a leap month after the ordinary one of its number."""
    leap = leap_month(year)
    numbers = [(month, again) for month in range(1, 13) for again in (False, True) if not again or month == leap]
    months = tuple(
        LunarMonth(
            month=month,
            leap_month=again,
            start_date=gregorian(LunarDay(year, month, 1, leap_month=again)),
            days=days_in(year, month, leap=again),
        )
        for month, again in numbers
    )
    return LunarYear(year=year, leap_month=leap, months=months, new_years_eve_date=new_years_eve(year))


def solar_terms(first: int, last: int) -> Iterator[SolarTermDay]:
    """The 24 solar terms of each of some Gregorian years, by day."""
    _check_stretch(first, last)
    for year in range(first, last + 1):
        found = (SolarTermDay(term=term, date=solar_term(year, term)) for term in SOLAR_TERMS)
        yield from sorted(found, key=lambda each: each.date)


def _check_stretch(first: int, last: int) -> None:
    check(first)
    check(last)
    if not first <= last < min(first + YEARS_MAX, YEAR_MAX + 1):
        raise StretchTooLong(allowed=YEARS_MAX)


# ------------------------------------------------------------------------------------------------------ clocks on walls


class WallPolicy(OpenEnum):
    """Choice where clocks show a time twice, or never."""

    FIRST = "FIRST"
    SECOND = "SECOND"
    REFUSE = "REFUSE"


class WallKind(OpenEnum):
    """Number of times that clocks show a time."""

    NORMAL = "NORMAL"
    GAP = "GAP"
    OVERLAP = "OVERLAP"


@dataclass(frozen=True, slots=True, kw_only=True)
class WallTime:
    """A time on the clocks of a zone, and the instant that it is."""

    kind: WallKind
    time: datetime
    local_date: date
    local_minute: int
    offset: timedelta
    """Distance of the clocks from UTC at that instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of the clocks of a zone."""

    time: datetime
    offset_before: timedelta
    offset_after: timedelta
    daylight_saving: timedelta
    abbreviation: str


def wall_time(name: str, day: date, minute: int, policy: WallPolicy) -> WallTime:
    """The instant at which clocks of a zone show a time.

    In a gap FIRST takes the offset from before, as RFC 5545 has it, and SECOND that from after (folds 0 and 1 of PEP
    495). TimeZoneUnknown, WallTimeInGap and WallTimeAmbiguous say what is wrong.
    """
    zone = known_zone(name)
    first = instant(day, minute, zone)
    local = datetime.combine(day, clock()) + timedelta(minutes=minute)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    kind = WallKind.NORMAL
    if first != second:
        there = first.astimezone(zone).replace(tzinfo=None) == local
        kind = WallKind.OVERLAP if there else WallKind.GAP
    if kind is not WallKind.NORMAL and policy is WallPolicy.REFUSE:
        refusal = WallTimeInGap if kind is WallKind.GAP else WallTimeAmbiguous
        raise refusal(time_zone=name, wall_time=local.isoformat(sep=" ", timespec="minutes"))
    at = second if policy is WallPolicy.SECOND else first
    here = at.astimezone(zone)
    return WallTime(
        kind=kind,
        time=at,
        local_date=here.date(),
        local_minute=here.hour * 60 + here.minute,
        offset=here.utcoffset() or timedelta(),
    )


def transitions(name: str, first: int, last: int) -> Iterator[Transition]:
    """The changes of the clocks of a zone in some years (UTC), in order. TimeZoneUnknown when there is none."""
    zone = known_zone(name)
    if not first <= last < first + YEARS_MAX:
        raise StretchTooLong(allowed=YEARS_MAX)
    at, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC)
    while at < end:
        after = at + _STEP
        if _clock(zone, at) != _clock(zone, after):
            yield _transition(zone, at, after)
        at = after


def _transition(zone: ZoneInfo, before: datetime, after: datetime) -> Transition:
    known = _clock(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if _clock(zone, middle) == known:
            before = middle
        else:
            after = middle
    offset, daylight, abbreviation = _clock(zone, after)
    return Transition(
        time=after,
        offset_before=known[0],
        offset_after=offset,
        daylight_saving=daylight,
        abbreviation=abbreviation,
    )


def _clock(zone: ZoneInfo, at: datetime) -> tuple[timedelta, timedelta, str]:
    local = at.astimezone(zone)
    return local.utcoffset() or timedelta(), local.dst() or timedelta(), local.tzname() or ""


def known_zone(name: str) -> ZoneInfo:
    """The zone of a name. TimeZoneUnknown when there is none."""
    if zone_violations(name, "time_zone"):
        raise TimeZoneUnknown(time_zone=name)
    return ZoneInfo(name)


# ------------------------------------------------------------------------------------------------------ public holidays


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """A day on which a region rests, or works although it is a weekend."""

    date: date
    name: str
    off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayYear(Entity):
    """The public holidays and make-up days of a region that one notice sets."""

    ID_PREFIX: ClassVar[str] = "hol"

    region_code: str
    year: int
    source: str = ""
    days: tuple[Holiday, ...] = ()

    def publish(self, other: HolidayYear) -> Change[HolidayYear]:
        """As a notice sets them, by day."""
        days = tuple(sorted(other.days, key=lambda each: each.date))
        return replace(self, source=other.source, days=days), []
