"""The Chinese calendar, festivals and yearly days, against the tables of an observatory."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.almanac.festivals import FESTIVALS, FestivalUnknown, festival
from libs.almanac.lunisolar import (
    LunarDay,
    LunarDayUnknown,
    YearUnknown,
    days_in,
    gregorian,
    leap_month,
    lunar,
    new_year,
    new_years_eve,
    solar_term,
)
from libs.almanac.yearly import Calendar, Feb29Policy, YearlyDay


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "calendar" / name).open() as file:
        return [*csv.DictReader(file)]


def test_every_month_of_forty_years_begins_and_ends_as_the_observatory_says(reference_data: Path) -> None:
    months = rows(reference_data, "lunar_months_1990_2030.csv")
    assert len(months) == 507
    for row in months:
        year, month, leap = int(row["lunar_year"]), int(row["month"]), row["is_leap"] == "1"
        start = date.fromisoformat(row["gregorian_start"])
        assert gregorian(LunarDay(year, month, 1, leap_month=leap)) == start
        assert days_in(year, month, leap=leap) == int(row["days"])
        assert lunar(start) == LunarDay(year, month, 1, leap_month=leap)


def test_every_solar_term_of_forty_years_falls_on_the_day_of_the_observatory(reference_data: Path) -> None:
    terms = rows(reference_data, "solar_terms_1990_2030.csv")
    assert len(terms) == 984
    assert [row for row in terms if solar_term(int(row["date"][:4]), row["term"]).isoformat() != row["date"]] == []


def test_every_festival_of_forty_years_falls_on_the_day_of_the_observatory(reference_data: Path) -> None:
    keys = {each.names["en"]: each for each in FESTIVALS.values()}
    table = rows(reference_data, "lunar_festivals_1990_2030.csv")
    assert len(table) == 451
    assert [row for row in table if keys[row["festival"]].day(int(row["rule_year"])).isoformat() != row["date"]] == []


def test_documented_days() -> None:
    assert gregorian(LunarDay(1976, 8, 8, leap_month=True)) == date(1976, 10, 1)
    assert (new_year(2023), leap_month(2023)) == (date(2023, 1, 22), 2)
    assert [festival("DOUBLE_NINTH").day(year) for year in (2018, 2019)] == [date(2018, 10, 17), date(2019, 10, 7)]


def test_the_leap_month_of_2033_comes_after_the_eleventh() -> None:
    assert leap_month(2033) == 11
    assert gregorian(LunarDay(2033, 11, 15)) == date(2033, 12, 6)
    assert gregorian(LunarDay(2033, 11, 15, leap_month=True)) == date(2034, 1, 5)
    assert (new_years_eve(2033), new_year(2034)) == (date(2034, 2, 18), date(2034, 2, 19))


@given(st.dates(date(1901, 3, 1), date(2099, 12, 30)))
def test_every_day_is_one_day_of_the_chinese_calendar(day: date) -> None:
    assert gregorian(lunar(day)) == day
    assert (
        lunar(day) < lunar(day + timedelta(days=1))
        or lunar(day).leap_month != lunar(day + timedelta(days=1)).leap_month
    )


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (Feb29Policy.FEB28, ["2023-02-28", "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        (Feb29Policy.MAR01, ["2023-03-01", "2024-02-29", "2025-03-01", "2026-03-01", "2027-03-01", "2028-02-29"]),
        (Feb29Policy.LEAP_ONLY, ["2024-02-29", "2028-02-29"]),
    ],
)
def test_29_february_follows_its_policy(policy: Feb29Policy, days: list[str]) -> None:
    born = YearlyDay(month=2, day=29, feb29_policy=policy)
    assert [each.isoformat() for each in born.between(date(2023, 1, 1), date(2029, 1, 1))] == days


def test_the_30th_of_a_short_month_is_kept_on_its_last_day() -> None:
    born = YearlyDay(calendar=Calendar.CHINESE_LUNISOLAR, month=12, day=30)
    kept = born.between(date(2025, 1, 1), date(2031, 1, 1))
    assert [each.isoformat() for each in kept] == [
        "2025-01-28",
        "2026-02-16",
        "2027-02-05",
        "2028-01-25",
        "2029-02-12",
        "2030-02-02",
    ]


def test_a_day_is_kept_once_in_a_year_that_repeats_its_month() -> None:
    eleventh = YearlyDay(calendar=Calendar.CHINESE_LUNISOLAR, month=11, day=15)
    assert eleventh.between(date(2033, 6, 1), date(2034, 6, 1)) == [date(2033, 12, 6)]
    twelfth = YearlyDay(calendar=Calendar.CHINESE_LUNISOLAR, month=12, day=8)
    assert twelfth.between(date(2033, 6, 1), date(2034, 6, 1)) == [date(2034, 1, 27)]


def test_a_day_of_a_leap_month_moves_to_the_ordinary_month_in_other_years() -> None:
    born = YearlyDay(calendar=Calendar.CHINESE_LUNISOLAR, month=4, day=10, leap_month=True)
    assert born.occurrence(2020) == gregorian(LunarDay(2020, 4, 10, leap_month=True))
    assert born.occurrence(2021) == gregorian(LunarDay(2021, 4, 10))
    assert born.next(date(2021, 1, 1)) == born.occurrence(2021)


def test_what_no_table_knows_is_refused_by_name() -> None:
    with pytest.raises(FestivalUnknown, match="There is no festival MOON_CAKE"):
        festival("MOON_CAKE")
    for year in (1900, 2100):
        with pytest.raises(YearUnknown, match="from 1901 to 2099"):
            new_year(year)
    with pytest.raises(LunarDayUnknown, match="no leap month"):
        gregorian(LunarDay(2024, 4, 1, leap_month=True))
    with pytest.raises(LunarDayUnknown, match="no day 30"):
        gregorian(LunarDay(2024, 12, 30))
    with pytest.raises(ValueError, match="none of the 24"):
        solar_term(2024, "春节")


def test_a_day_of_a_calendar_or_policy_of_a_newer_release_is_kept_on_no_day() -> None:
    assert YearlyDay(calendar=Calendar("PERSIAN"), month=1, day=1).next(date(2026, 1, 1)) is None
    leap = YearlyDay(month=2, day=29, feb29_policy=Feb29Policy("FEB30"))
    assert (leap.occurrence(2026), leap.occurrence(2028)) == (None, date(2028, 2, 29))


def test_nothing_comes_after_the_tables_end() -> None:
    assert YearlyDay(calendar=Calendar.CHINESE_LUNISOLAR, month=1, day=1).next(date(2100, 6, 1)) is None
    assert YearlyDay(month=1, day=1).next(date(9998, 6, 1)) is None
