"""Fiscal calendars: months, weeks by 4-4-5, and years that begin in April, against published year ends."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kehu.opportunities.v1 import forecast_pb2, pipelines_pb2, plans_pb2

from libs.chassis.domain import InvalidArgument
from services.opportunities.forecast.domain.periods import (
    Length,
    Period,
    PeriodUnclear,
    PeriodUnknown,
    around,
    following,
    named,
    periods,
)
from services.opportunities.pipelines.domain import FiscalCalendar, FiscalKind, YearEnd
from tests.unit.opportunities.conftest import Open, Sales, defined

APRIL = FiscalCalendar(first_month=4)
SEPTEMBER_WEEKS = FiscalCalendar(kind=FiscalKind.WEEKS_445, first_month=10)
RETAIL = FiscalCalendar(kind=FiscalKind.WEEKS_454, first_month=2, year_end=YearEnd.NEAREST)
CALENDARS = st.builds(
    FiscalCalendar,
    kind=st.sampled_from(list(FiscalKind)),
    first_month=st.integers(1, 12),
    end_weekday=st.integers(0, 7),
    year_end=st.sampled_from(list(YearEnd)),
)


@pytest.mark.parametrize(
    ("calendar", "name", "start", "end"),
    [
        (None, "2026", "2026-01-01", "2026-12-31"),
        (None, "2024-P02", "2024-02-01", "2024-02-29"),
        (None, "2026-Q4", "2026-10-01", "2026-12-31"),
        (APRIL, "2026", "2025-04-01", "2026-03-31"),
        (APRIL, "2026-Q4", "2026-01-01", "2026-03-31"),
        (APRIL, "2026-P10", "2026-01-01", "2026-01-31"),
        # Years that end on the last Saturday of September, as a maker of computers publishes them.
        (SEPTEMBER_WEEKS, "2022", "2021-09-26", "2022-09-24"),
        (SEPTEMBER_WEEKS, "2023", "2022-09-25", "2023-09-30"),  # 53 weeks
        (SEPTEMBER_WEEKS, "2024", "2023-10-01", "2024-09-28"),
        (SEPTEMBER_WEEKS, "2022-P03", "2021-11-21", "2021-12-25"),
        # The retail calendar 4-5-4, Saturdays nearest to the end of January: its long year 2023 is told as 2024 here.
        (RETAIL, "2024", "2023-01-29", "2024-02-03"),
        (RETAIL, "2025", "2024-02-04", "2025-02-01"),
        (RETAIL, "2025-P02", "2024-03-03", "2024-04-06"),
    ],
)
def test_published_years(calendar: FiscalCalendar | None, name: str, start: str, end: str) -> None:
    found = named(calendar, name)
    assert (found.start_date.isoformat(), found.end_date.isoformat()) == (start, end)


@given(CALENDARS, st.integers(1950, 2150))
def test_periods_fill_a_year_without_gaps(calendar: FiscalCalendar, year: int) -> None:
    whole, *parts = periods(calendar, year)
    for some in (parts[:4], parts[4:]):
        assert (some[0].start_date, some[-1].end_date) == (whole.start_date, whole.end_date)
        for before, after in pairwise(some):
            assert after.start_date - before.end_date == timedelta(days=1)
    assert following(calendar, whole).start_date - whole.end_date == timedelta(days=1)
    if calendar.kind is not FiscalKind.MONTHS:
        assert whole.days in (364, 371)
        assert whole.end_date.isoweekday() == (calendar.end_weekday or 6)


@given(CALENDARS, st.dates(date(1950, 1, 1), date(2150, 1, 1)), st.sampled_from(list(Length)))
def test_every_day_lies_in_one_period_of_each_length(calendar: FiscalCalendar, day: date, length: Length) -> None:
    found = around(calendar, day, length)
    assert found.start_date <= day <= found.end_date
    assert named(calendar, found.name) == found


@pytest.mark.parametrize("name", ["2026-Q5", "2026-P13", "26", "2026Q1", "0001", "9999", "2026-Q", "Q1", "２０２６"])
def test_other_names_are_no_periods(name: str) -> None:
    with pytest.raises(PeriodUnknown, match="say 2026"):
        named(None, name)


def test_a_forecast_is_asked_for_by_name_or_by_days(world: Sales, opened: Open) -> None:
    fiscal: Any = {"kind": "FISCAL_KIND_MONTHS", "first_month": 4}
    request = pipelines_pb2.CreatePipelineRequest(pipeline=defined(fiscal=fiscal))
    pipeline = world.call(request, pipelines_pb2.Pipeline).id
    opened(pipeline_id=pipeline, close_date={"year": 2026, "month": 3, "day": 31})
    opened(pipeline_id=pipeline, close_date={"year": 2026, "month": 4, "day": 1})
    world.deliver()
    asked = forecast_pb2.GetForecastRequest(pipeline_id=pipeline, period="2026-Q4")
    found = world.call(asked, plans_pb2.Forecast)
    assert [each.sums.deals for each in found.currencies[0].categories] == [1]
    assert (found.start_date.month, found.end_date.month, found.end_date.day) == (1, 3, 31)
    for unclear in ({}, {"period": "2026", "start_date": fiscal_day(1)}, {"start_date": fiscal_day(1)}):
        with pytest.raises(PeriodUnclear):
            world.call(forecast_pb2.GetForecastRequest(pipeline_id=pipeline, **unclear), plans_pb2.Forecast)


def fiscal_day(day: int) -> Any:
    return {"year": 2026, "month": 1, "day": day}


def test_a_fiscal_year_begins_in_one_of_twelve_months(world: Sales) -> None:
    with pytest.raises(InvalidArgument, match="first_month"):
        world.call(
            pipelines_pb2.CreatePipelineRequest(pipeline=defined(fiscal={"first_month": 13})), pipelines_pb2.Pipeline
        )


def test_t34_thirty_first_of_march_late_in_kiritimati_is_a_day_before_in_honolulu(world: Sales, opened: Open) -> None:
    """23:30 on 31 March in Kiritimati is 23:30 on 30 March in Honolulu, whose fiscal year ends with March."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from kehu.opportunities.v1 import deals_pb2

    told = defined(time_zone="Pacific/Honolulu", fiscal={"first_month": 4})
    pipeline = world.call(pipelines_pb2.CreatePipelineRequest(pipeline=told), pipelines_pb2.Pipeline).id
    world.clock.at = datetime(2026, 3, 31, 23, 30, tzinfo=ZoneInfo("Pacific/Kiritimati"))
    deal = opened(pipeline_id=pipeline)
    won = world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)
    assert (won.close_date.month, won.close_date.day) == (3, 30)
    world.deliver()
    year = world.call(forecast_pb2.GetForecastRequest(pipeline_id=pipeline, period="2026"), plans_pb2.Forecast)
    assert year.currencies[0].closed.deals == 1
    assert (year.today_date.month, year.today_date.day) == (3, 30)


def test_days_of_a_period_are_counted_with_both_ends() -> None:
    assert Period(start_date=date(2026, 1, 1), end_date=date(2026, 1, 31)).days == 31
