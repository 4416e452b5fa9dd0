"""Dates to remember, in two calendars."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from services.profiles.customers.domain.dates import Calendar, Feb29Policy, TypedDate, TypedDateKind
from tests.unit.profiles.builders import person

LUNAR = Calendar.CHINESE_LUNISOLAR


def born(month: int, day: int, **fields: object) -> TypedDate:
    return TypedDate(kind=TypedDateKind.BIRTH, month=month, day=day, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (Feb29Policy.FEB28, ["2023-02-28", "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        (Feb29Policy.MAR01, ["2023-03-01", "2024-02-29", "2025-03-01", "2026-03-01", "2027-03-01", "2028-02-29"]),
        (Feb29Policy.LEAP_ONLY, [None, "2024-02-29", None, None, None, "2028-02-29"]),
    ],
)
def test_born_on_29_february_2023_to_2028(policy: Feb29Policy, days: list[str | None]) -> None:
    birthday = born(2, 29, year=2000, feb29_policy=policy)
    found = [birthday.occurrence(year) for year in range(2023, 2029)]
    assert [day and day.isoformat() for day in found] == days


def test_leap_only_waits_over_a_century_that_has_no_leap_day() -> None:
    assert born(2, 29, feb29_policy=Feb29Policy.LEAP_ONLY).next_occurrence(date(2096, 3, 1)) == date(2104, 2, 29)


def test_born_in_leap_month_4_of_2020_is_kept_in_month_4_of_ordinary_years() -> None:
    birthday = born(4, 1, calendar=LUNAR, year=2020, leap_month=True)
    assert birthday.occurrence(2020) == date(2020, 5, 23)
    assert birthday.occurrence(2021) == born(4, 1, calendar=LUNAR).occurrence(2021) == date(2021, 5, 12)


def test_new_years_eve_is_the_day_before_the_spring_festival(reference_data: Path) -> None:
    eve, festival = born(12, 30, calendar=LUNAR), born(1, 1, calendar=LUNAR)
    with (reference_data / "calendar" / "lunar_festivals_1990_2030.csv").open(encoding="utf-8") as file:
        eves = {row["date"] for row in csv.DictReader(file) if row["festival"] == "New Year's Eve"}
    for year in range(1990, 2029):
        eve_day, spring_festival = eve.occurrence(year), festival.occurrence(year + 1)
        assert eve_day is not None
        assert spring_festival is not None
        assert eve_day == spring_festival - timedelta(days=1)
        assert eve_day.isoformat() in eves


def test_lunar_months_are_those_of_the_observatory(reference_data: Path) -> None:
    with (reference_data / "calendar" / "lunar_months_1990_2030.csv").open(encoding="utf-8") as file:
        months = list(csv.DictReader(file))
    for row in months[::7]:
        leap, month, year = row["is_leap"] == "1", int(row["month"]), int(row["lunar_year"])
        first = born(month, 1, calendar=LUNAR, leap_month=leap).occurrence(year)
        last = born(month, 30, calendar=LUNAR, leap_month=leap).occurrence(year)
        assert first is not None
        assert first.isoformat() == row["gregorian_start"]
        assert last == first + timedelta(days=int(row["days"]) - 1)


def test_a_lunar_birthday_late_in_the_year_falls_into_the_next_gregorian_year() -> None:
    birthday = born(12, 8, calendar=LUNAR)
    assert birthday.next_occurrence(date(2026, 1, 1)) == date(2026, 1, 26)
    assert birthday.next_occurrence(date(2026, 1, 27)) == date(2027, 1, 15)


def test_a_date_does_not_come_before_its_year() -> None:
    contract = TypedDate(kind=TypedDateKind.CONTRACT, year=2030, month=6, day=1)
    assert contract.next_occurrence(date(2026, 1, 1)) == date(2030, 6, 1)


def test_today_counts() -> None:
    assert born(5, 4).next_occurrence(date(2026, 5, 4)) == date(2026, 5, 4)


@pytest.mark.parametrize(
    ("wrong", "field", "complaint"),
    [
        (born(2, 30), "day", "30 is not between 1 and 29"),
        (born(2, 29, year=2023), "day", "29 is not between 1 and 28"),
        (born(13, 1), "month", "13 is not between 1 and 12"),
        (born(4, 31), "day", "31 is not between 1 and 30"),
        (born(1, 0), "day", "0 is not between 1 and 31"),
        (born(1, 1, year=1066), "year", "1066 is not between 1600 and 2200"),
        (born(1, 1, leap_month=True), "leap_month", "for the Chinese calendar only"),
        (born(1, 31, calendar=LUNAR), "day", "31 is not between 1 and 30"),
        (born(1, 30, calendar=LUNAR, year=2021), "day", "30 is not between 1 and 29"),
        (born(5, 1, calendar=LUNAR, year=2020, leap_month=True), "leap_month", "no leap month 5; its leap month is 4"),
        (born(4, 1, calendar=LUNAR, year=2021, leap_month=True), "leap_month", "no leap month 4; it has none"),
        (TypedDate(kind=TypedDateKind.CUSTOM, month=1, day=1), "label", "is required"),
    ],
)
def test_dates_that_no_calendar_has_are_refused_by_path(wrong: TypedDate, field: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        person(dates=(born(1, 1), wrong))
    assert refused.value.violations[0].field == f"customer.dates[1].{field}"
    assert complaint in refused.value.violations[0].description


def test_29_february_and_the_30th_are_fine_while_the_year_is_not_known() -> None:
    assert (
        len(person(dates=(born(2, 29), born(3, 30, calendar=LUNAR), born(3, 1, calendar=LUNAR, leap_month=True))).dates)
        == 3
    )


@given(st.integers(1, 12), st.integers(1, 28), st.sampled_from(Calendar), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_every_date_comes_again_within_thirteen_months(month: int, day: int, calendar: Calendar, today: date) -> None:
    coming = born(month, day, calendar=calendar).next_occurrence(today)
    assert coming is not None
    assert today <= coming <= today + timedelta(days=390)
