"""Working time: golden values, and the laws that hold for every calendar."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.chassis.domain import FailedPrecondition, InvalidArgument
from libs.worktime.calendar import (
    WEEKDAYS,
    CalendarException,
    ExceptionKind,
    MinuteInterval,
    Weekday,
    WeeklyInterval,
    WeeklySchedule,
    check,
)
from libs.worktime.civil import instant
from libs.worktime.hours import HORIZON, Rule, WorkingHours
from libs.worktime.refusals import CountingTooLong

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"
WORKDAYS = WEEKDAYS[:5]
LUNCH_HOURS = (MinuteInterval(start_minute=540, end_minute=720), MinuteInterval(start_minute=810, end_minute=1080))


@dataclass(frozen=True)
class Plain:
    """A calendar that nobody stores."""

    time_zone: str
    schedules: tuple[WeeklySchedule, ...]
    exceptions: tuple[CalendarException, ...] = ()


def week(*spans: tuple[int, int], on: tuple[Weekday, ...] = WORKDAYS, since: date | None = None) -> WeeklySchedule:
    """The same hours, in whole hours of the clock, on some days of the week."""
    return WeeklySchedule(
        valid_from_date=since,
        intervals=tuple(
            WeeklyInterval(weekday=day, start_minute=start * 60, end_minute=end * 60)
            for day in on
            for start, end in spans
        ),
    )


def calendar(zone: str, *schedules: WeeklySchedule, exceptions: tuple[CalendarException, ...] = ()) -> Plain:
    return Plain(time_zone=zone, schedules=schedules, exceptions=exceptions)


def at(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def chinese_office() -> WorkingHours:
    """Mon-Fri 09:00-12:00 and 13:30-18:00. Saturday 2024-10-12 is a make-up workday."""
    regular = WeeklySchedule(
        intervals=tuple(
            WeeklyInterval(weekday=day, start_minute=hours.start_minute, end_minute=hours.end_minute)
            for day in WORKDAYS
            for hours in LUNCH_HOURS
        )
    )
    make_up = CalendarException(date=date(2024, 10, 12), kind=ExceptionKind.OPEN, intervals=LUNCH_HOURS)
    return WorkingHours(calendar(SHANGHAI, regular, exceptions=(make_up,)))


@pytest.mark.parametrize(
    ("start", "work", "due"),
    [
        ("2024-10-12T15:00", 2 * HOUR, "2024-10-12T17:00"),  # a weekend-only model says Monday 2024-10-14 11:00
        ("2024-10-12T11:30", 1 * HOUR, "2024-10-12T14:00"),  # over the lunch break
        ("2024-10-11T17:30", 1 * HOUR, "2024-10-12T09:30"),  # Friday evening into the make-up Saturday
        ("2024-10-12T17:30", 1 * HOUR, "2024-10-14T09:30"),  # Sunday stays free
        ("2024-10-14T09:00", 3 * HOUR, "2024-10-14T12:00"),  # done at the closing, not at the next opening
    ],
)
def test_chinese_make_up_workday_and_lunch_break(start: str, work: timedelta, due: str) -> None:
    assert chinese_office().add(at(start, SHANGHAI), work) == at(due, SHANGHAI)


def test_weekend_start_is_due_on_monday_morning() -> None:
    hours = WorkingHours(calendar("Europe/Berlin", week((9, 17))))
    assert hours.add(at("2026-08-08T15:00", "Europe/Berlin"), HOUR) == at("2026-08-10T10:00", "Europe/Berlin")


@pytest.mark.parametrize(
    ("start", "end", "lasts"),
    [
        ("2026-03-07T20:00", "2026-03-08T09:00", 10 * HOUR),
        ("2026-10-31T20:00", "2026-11-01T09:00", 12 * HOUR),
        ("2026-06-06T20:00", "2026-06-07T09:00", 11 * HOUR),
    ],
)
def test_night_over_a_change_of_clocks_lasts_what_passes(start: str, end: str, lasts: timedelta) -> None:
    nights = WorkingHours(calendar(NEW_YORK, week((21, 32), on=tuple(Weekday))))
    assert nights.elapsed(at(start, NEW_YORK), at(end, NEW_YORK)) == lasts


@pytest.mark.parametrize(("day", "lasts"), [("2026-03-07", 7), ("2026-10-31", 9), ("2026-06-06", 8)])
def test_t11_overnight_shift_counts_real_open_seconds(day: str, lasts: int) -> None:
    shift = WorkingHours(calendar(NEW_YORK, week((22, 30), on=(Weekday.SATURDAY,))))
    start = at(f"{day}T12:00", NEW_YORK)
    assert shift.elapsed(start, start + timedelta(days=1)) == lasts * HOUR
    closing = at(f"{date.fromisoformat(day) + timedelta(days=1)}T06:00", NEW_YORK)
    assert shift.add(start, lasts * HOUR) == closing


@pytest.mark.parametrize(
    ("local", "minute", "utc"),
    [
        (date(2026, 3, 8), 150, "2026-03-08T07:30+00:00"),  # 02:30 does not exist
        (date(2026, 11, 1), 90, "2026-11-01T05:30+00:00"),  # 01:30 occurs twice: the first
        (date(2026, 10, 31), 1440 + 90, "2026-11-01T05:30+00:00"),
    ],
)
def test_civil_times_that_do_not_exist_or_occur_twice(local: date, minute: int, utc: str) -> None:
    assert instant(local, minute, ZoneInfo(NEW_YORK)) == datetime.fromisoformat(utc)


def test_wall_times_agree_with_the_zone_database(reference_data: Path) -> None:
    with (reference_data / "calendar" / "tz_wall_time_cases.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            wall = datetime.fromisoformat(row["local_wall_time"])
            found = instant(wall.date(), wall.hour * 60 + wall.minute, ZoneInfo(row["zone"]))
            assert found + timedelta(seconds=wall.second) == datetime.fromisoformat(row["utc_if_first"]), row


def test_official_chinese_workdays(reference_data: Path) -> None:
    """The notices of seven years: every day off is closed, every working weekend is worked."""
    with (reference_data / "calendar" / "cn_public_holidays_2018_2024.csv").open(encoding="utf-8") as file:
        days = {date.fromisoformat(row["date"]): row["is_off_day"] == "1" for row in csv.DictReader(file)}
    day_shift = (MinuteInterval(start_minute=540, end_minute=1080),)
    exceptions = tuple(
        CalendarException(date=day, kind=ExceptionKind.CLOSED)
        if off
        else CalendarException(date=day, kind=ExceptionKind.REPLACE, intervals=day_shift)
        for day, off in days.items()
    )
    hours = WorkingHours(calendar(SHANGHAI, week((9, 18)), exceptions=exceptions))
    day, workdays = date(2018, 1, 1), 0
    while day < date(2025, 1, 1):
        midnight = at(f"{day}T00:00", SHANGHAI)
        worked = hours.elapsed(midnight, midnight + timedelta(days=1))
        free = days.get(day, day.weekday() >= 5)
        assert worked == (timedelta(0) if free else 9 * HOUR), day
        workdays += not free
        day += timedelta(days=1)
    whole = hours.elapsed(at("2018-01-01T00:00", SHANGHAI), at("2025-01-01T00:00", SHANGHAI))
    assert whole == workdays * 9 * HOUR


def test_exceptions_close_open_and_replace() -> None:
    hours = WorkingHours(
        calendar(
            "UTC",
            week((9, 17)),
            exceptions=(
                CalendarException(date=date(2026, 8, 3), kind=ExceptionKind.CLOSED, label="Bank holiday"),
                CalendarException(
                    date=date(2026, 8, 4),
                    kind=ExceptionKind.OPEN,
                    intervals=(MinuteInterval(start_minute=16 * 60, end_minute=20 * 60),),
                ),
                CalendarException(
                    date=date(2026, 8, 5),
                    kind=ExceptionKind.REPLACE,
                    intervals=(MinuteInterval(start_minute=540, end_minute=720),),
                    label="Half-day",
                ),
            ),
        )
    )
    midnight = datetime(2026, 8, 3, tzinfo=UTC)
    day = timedelta(days=1)
    worked = [hours.elapsed(midnight + n * day, midnight + (n + 1) * day) for n in range(4)]
    assert worked == [timedelta(0), 11 * HOUR, 3 * HOUR, 8 * HOUR]  # the overlap from 16:00 to 17:00 counts once
    segments = list(hours.segments(midnight, midnight + 3 * day))
    assert [(s.date.day, s.rule, s.label) for s in segments] == [
        (3, Rule.CLOSED, "Bank holiday"),
        (4, Rule.WEEKLY, ""),
        (4, Rule.OPEN, ""),
        (5, Rule.REPLACE, "Half-day"),
    ]


def test_closing_a_date_leaves_the_night_shift_before_it() -> None:
    nights = WorkingHours(
        calendar(
            "UTC",
            week((22, 30), on=tuple(Weekday)),
            exceptions=(CalendarException(date=date(2026, 8, 4), kind=ExceptionKind.CLOSED),),
        )
    )
    tuesday = datetime(2026, 8, 4, tzinfo=UTC)
    assert nights.elapsed(tuesday, tuesday + timedelta(days=1)) == 6 * HOUR
    assert nights.elapsed(tuesday + timedelta(days=1), tuesday + timedelta(days=2)) == 2 * HOUR


def test_sunday_night_shift_is_counted_once_with_monday_morning() -> None:
    hours = WorkingHours(
        calendar(
            "UTC",
            WeeklySchedule(
                intervals=(
                    WeeklyInterval(weekday=Weekday.SUNDAY, start_minute=22 * 60, end_minute=33 * 60),
                    WeeklyInterval(weekday=Weekday.MONDAY, start_minute=8 * 60, end_minute=12 * 60),
                )
            ),
        )
    )
    sunday = datetime(2026, 8, 2, tzinfo=UTC)
    assert hours.elapsed(sunday, sunday + timedelta(days=2)) == 14 * HOUR
    assert hours.add(sunday, 12 * HOUR) == datetime(2026, 8, 3, 10, tzinfo=UTC)


def test_new_hours_entered_ahead_leave_the_past_alone() -> None:
    hours = WorkingHours(calendar("UTC", week((9, 17)), week((8, 12), since=date(2026, 9, 1))))
    assert hours.elapsed(datetime(2026, 8, 31, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)) == 8 * HOUR
    assert hours.elapsed(datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 9, 2, tzinfo=UTC)) == 4 * HOUR
    late = WorkingHours(calendar("UTC", week((9, 17), since=date(2026, 9, 1))))
    assert late.add(datetime(2026, 8, 1, tzinfo=UTC), HOUR) == datetime(2026, 9, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2024-10-10T10:00", 1, "2024-10-11T18:00"),
        ("2024-10-10T10:00", 2, "2024-10-12T18:00"),  # the make-up Saturday is a working day
        ("2024-10-12T10:00", 1, "2024-10-14T18:00"),
        ("2024-10-13T10:00", 1, "2024-10-14T18:00"),  # asked on a free day
    ],
)
def test_working_days_end_when_the_last_one_closes(start: str, days: int, due: str) -> None:
    assert chinese_office().add_days(at(start, SHANGHAI), days) == at(due, SHANGHAI)


def test_a_calendar_without_hours_says_so() -> None:
    hours = WorkingHours(calendar("UTC", WeeklySchedule()))
    with pytest.raises(FailedPrecondition, match="10 years"):
        hours.add(datetime(2026, 8, 1, tzinfo=UTC), HOUR)
    with pytest.raises(FailedPrecondition, match="working days"):
        hours.add_days(datetime(2026, 8, 1, tzinfo=UTC), 1)
    with pytest.raises(InvalidArgument, match="1970 to 2199"):
        hours.add(datetime(9999, 8, 1, tzinfo=UTC), HOUR)


def test_every_wrong_field_of_a_calendar_is_named() -> None:
    wrong = calendar(
        "Mars/Olympus",
        week((9, 17)),
        week((17, 9)),
        exceptions=(
            CalendarException(date=date(2026, 8, 3), kind=ExceptionKind.OPEN),
            CalendarException(date=date(2026, 8, 3), kind=ExceptionKind.CLOSED, intervals=LUNCH_HOURS),
        ),
    )
    with pytest.raises(InvalidArgument) as refused:
        check(wrong)
    assert {violation.field for violation in refused.value.violations} == {
        "time_zone",
        "schedules[1].valid_from_date",
        "exceptions[1].date",
        *(f"schedules[1].intervals[{i}].end_minute" for i in range(5)),
        "exceptions[0].intervals",
        "exceptions[1].intervals",
    }


def test_what_would_cost_too_much_is_refused_before_it_is_worked_out() -> None:
    """Two centuries of a full calendar took 18 seconds of processor, in one call."""
    full = WeeklySchedule(
        intervals=tuple(
            WeeklyInterval(weekday=WEEKDAYS[n % 7], start_minute=n * 13 % 1400, end_minute=n * 13 % 1400 + 20)
            for n in range(100)
        )
    )
    hours = WorkingHours(calendar(NEW_YORK, full))
    start, end = datetime(1970, 1, 2, tzinfo=UTC), datetime(2199, 12, 30, tzinfo=UTC)
    for answer in (lambda: hours.elapsed(start, end), lambda: next(hours.segments(start, end))):
        with pytest.raises(CountingTooLong, match="12001 weeks of 100 intervals"):
            answer()
    assert hours._weeks == {}, "nothing was expanded"
    assert hours.elapsed(start, start + HORIZON) > timedelta(0)  # whatever can be promised can be counted


# ------------------------------------------------------------------------------------------------------- laws

ZONES = (NEW_YORK, SHANGHAI, "Europe/London", "Australia/Lord_Howe", "America/Santiago", "Asia/Tehran", "Africa/Cairo")
starts = st.integers(0, 15 * 366 * 1440).map(lambda minutes: datetime(2015, 1, 1, tzinfo=UTC) + minutes * MINUTE)
spans = st.tuples(st.integers(0, 1439), st.integers(30, 1440)).map(lambda span: (span[0], span[0] + span[1]))


@st.composite
def calendars(draw: st.DrawFn) -> Plain:
    hours = draw(st.lists(st.tuples(st.sampled_from(Weekday), spans), min_size=1, max_size=8))
    regular = WeeklySchedule(
        intervals=tuple(WeeklyInterval(weekday=day, start_minute=a, end_minute=b) for day, (a, b) in hours)
    )
    exceptions = []
    for day in draw(st.lists(st.dates(date(2020, 1, 1), date(2020, 12, 31)), max_size=10, unique=True)):
        kind = draw(st.sampled_from(ExceptionKind))
        extra = draw(st.lists(spans, min_size=1, max_size=2)) if kind is not ExceptionKind.CLOSED else []
        intervals = tuple(MinuteInterval(start_minute=a, end_minute=b) for a, b in extra)
        exceptions.append(CalendarException(date=day, kind=kind, intervals=intervals))
    return calendar(draw(st.sampled_from(ZONES)), regular, exceptions=tuple(exceptions))


@settings(max_examples=150, deadline=None)
@given(calendars(), starts, st.integers(1, 60 * 100))
def test_add_and_elapsed_are_inverse(schedule: Plain, start: datetime, minutes: int) -> None:
    hours, work = WorkingHours(schedule), minutes * MINUTE
    due = hours.add(start, work)
    assert hours.elapsed(start, due) == work
    assert hours.elapsed(start, due - timedelta(seconds=1)) == work - timedelta(seconds=1)  # the first such instant


@st.composite
def whole_hours(draw: st.DrawFn) -> Plain:
    """Calendars whose hours neither begin nor end while clocks may change."""
    opens, closes = st.integers(4, 23), st.integers(1, 9)
    hours = draw(st.lists(st.tuples(st.sampled_from(WEEKDAYS), opens, closes), min_size=1, max_size=6))
    spans = [(day, start, start + length) for day, start, length in hours if start + length not in (24, 25, 26, 27)]
    regular = (
        week(*[(9, 17)], on=())
        if not spans
        else WeeklySchedule(
            intervals=tuple(WeeklyInterval(weekday=d, start_minute=a * 60, end_minute=b * 60) for d, a, b in spans)
        )
    )
    closed = draw(st.lists(st.dates(date(2026, 3, 1), date(2026, 3, 20)), max_size=4, unique=True))
    exceptions = tuple(CalendarException(date=day, kind=ExceptionKind.CLOSED) for day in closed)
    return calendar(draw(st.sampled_from((NEW_YORK, SHANGHAI, "Asia/Kathmandu"))), regular, exceptions=exceptions)


def is_open(schedule: Plain, minute: datetime) -> bool:
    """What somebody with a watch on the wall and the plan beside it would say of this minute."""
    wall = minute.astimezone(ZoneInfo(schedule.time_zone))
    closed = {exception.date for exception in schedule.exceptions}
    for day, since in ((wall.date(), 0), (wall.date() - timedelta(days=1), 1440)):
        now = wall.hour * 60 + wall.minute + since
        for each in () if day in closed else schedule.schedules[0].intervals:
            if each.weekday is WEEKDAYS[day.weekday()] and each.start_minute <= now < each.end_minute:
                return True
    return False


@settings(max_examples=40, deadline=None)
@given(whole_hours(), st.integers(0, 60 * 24 * 12), st.integers(0, 60 * 24 * 4))
def test_elapsed_is_what_counting_minutes_gives(schedule: Plain, since: int, minutes: int) -> None:
    """In March 2026, when the clocks of New York go forward."""
    start = datetime(2026, 3, 2, tzinfo=UTC) + since * MINUTE
    worked = sum(is_open(schedule, start + n * MINUTE) for n in range(minutes))
    assert WorkingHours(schedule).elapsed(start, start + minutes * MINUTE) == worked * MINUTE


@settings(max_examples=150, deadline=None)
@given(calendars(), starts, st.integers(0, 60 * 24 * 40), st.integers(0, 60 * 24 * 40))
def test_elapsed_adds_up(schedule: Plain, start: datetime, first: int, second: int) -> None:
    hours = WorkingHours(schedule)
    middle = start + first * MINUTE
    end = middle + second * MINUTE
    whole = hours.elapsed(start, end)
    assert whole == hours.elapsed(start, middle) + hours.elapsed(middle, end)
    assert timedelta(0) <= whole <= end - start
    assert hours.elapsed(end, start) == -whole


@settings(max_examples=100, deadline=None)
@given(calendars(), starts, st.integers(0, 60 * 24 * 30))
def test_segments_explain_every_second(schedule: Plain, start: datetime, minutes: int) -> None:
    hours, end = WorkingHours(schedule), start + minutes * MINUTE
    counted = [(s.start_time, s.end_time) for s in hours.segments(start, end) if s.start_time and s.end_time]
    assert sum((b - a for a, b in counted), timedelta(0)) == hours.elapsed(start, end)
    assert all(b <= c for (_, b), (c, _) in pairwise(counted))
