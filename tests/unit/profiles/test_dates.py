"""Dates to remember, in two calendars."""

from datetime import date

import pytest

from libs.almanac.yearly import Calendar, Feb29Policy, YearlyDay
from libs.chassis.domain import InvalidArgument
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from tests.unit.profiles.builders import person

LUNAR = Calendar.CHINESE_LUNISOLAR


def born(month: int, day: int, **fields: object) -> TypedDate:
    return TypedDate(kind=TypedDateKind.BIRTH, month=month, day=day, **fields)  # type: ignore[arg-type]


def test_a_date_comes_every_year_in_its_own_calendar() -> None:
    birthday = born(4, 1, calendar=LUNAR, year=2020, leap_month=True, feb29_policy=Feb29Policy.LEAP_ONLY)
    assert birthday.yearly == YearlyDay(
        calendar=LUNAR, month=4, day=1, leap_month=True, feb29_policy=Feb29Policy.LEAP_ONLY
    )
    assert [birthday.yearly.occurrence(year) for year in (2020, 2021)] == [date(2020, 5, 23), date(2021, 5, 12)]


@pytest.mark.parametrize(
    ("wrong", "field", "complaint"),
    [
        (born(2, 30), "day", "30 is not between 1 and 29"),
        (born(2, 29, year=2023), "day", "29 is not between 1 and 28"),
        (born(13, 1), "month", "13 is not between 1 and 12"),
        (born(4, 31), "day", "31 is not between 1 and 30"),
        (born(1, 0), "day", "0 is not between 1 and 31"),
        (born(1, 1, year=1066), "year", "1066 is not between 1600 and 2200"),
        (born(1, 1, calendar=LUNAR, year=1900), "year", "1900 is not between 1901 and 2099"),
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
