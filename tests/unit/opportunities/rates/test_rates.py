"""Rates of a day: exact decimals of currencies, and no rate that nobody told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kehu.opportunities.v1 import forecast_pb2, plans_pb2, rates_pb2

from libs.chassis.domain import InvalidArgument
from services.opportunities.rates.domain import Rate, Rates, RateTable
from tests.unit.opportunities.conftest import Open, Sales

ECB: Any = {"USD": "1.0846", "JPY": "161.24", "KWD": "0.33310"}
DAY: Any = {"year": 2026, "month": 2, "day": 27}
QUARTER: Any = {"period": "2026-Q1"}


def record(world: Sales, rates: dict[str, str] = ECB, **fields: Any) -> rates_pb2.RateTable:
    told = [{"currency_code": code, "value": value} for code, value in rates.items()]
    table = rates_pb2.RateTable(**{"base_currency_code": "EUR", "valid_date": DAY, "rates": told, **fields})
    return world.call(rates_pb2.RecordRatesRequest(table=table), rates_pb2.RateTable)


def table(day: date, **rates: str) -> RateTable:
    told = tuple(Rate(currency_code=code, value=value) for code, value in rates.items())
    return RateTable(id=f"rate_{day}", base_currency_code="EUR", valid_date=day, rates=told)


@pytest.mark.parametrize(
    ("minor_units", "source", "target", "expected"),
    [
        (1_000, "JPY", "EUR", 620),  # 1000 / 161.24 = 6.20 EUR
        (1_000, "KWD", "EUR", 300),  # 1.000 KWD / 0.33310 = 3.002 EUR
        (100, "EUR", "JPY", 161),  # 161.24 yen have no decimals
        (100, "EUR", "KWD", 333),  # 0.333 dinar
        (10_846, "USD", "EUR", 10_000),
        (161_240, "JPY", "KWD", 333_100),  # by way of the base
        (5, "EUR", "EUR", 5),
    ],
)
def test_t33_every_currency_has_its_own_decimals(minor_units: int, source: str, target: str, expected: int) -> None:
    rates = Rates([table(date(2026, 2, 27), **ECB)])
    assert rates.convert(minor_units, source, target) == expected


def test_half_a_unit_goes_to_the_even_one() -> None:
    rates = Rates([table(date(2026, 1, 1), USD="0.5")])
    assert [rates.convert(each, "EUR", "USD") for each in (1, 3, 5)] == [0, 2, 2]


def test_a_rate_is_of_one_day_even_when_tables_lack_some() -> None:
    rates = Rates([table(date(2026, 2, 2), USD="2"), table(date(2026, 2, 1), USD="1", JPY="100")])
    assert rates.convert(100, "EUR", "USD") == 200
    assert rates.convert(100, "USD", "JPY") == 100  # of the first of February, when both were told
    assert rates.convert(100, "USD", "KWD") is None


@given(st.integers(0, 10**18), st.decimals("0.000001", "999999", places=6))
def test_a_conversion_is_off_by_at_most_half_a_unit(minor_units: int, value: Decimal) -> None:
    found = Rates([table(date(2026, 1, 1), USD=str(value))]).convert(minor_units, "EUR", "USD")
    assert found is not None
    assert abs(found - minor_units * value) <= Decimal("0.5") + Decimal(10) ** -6


def test_t33_what_has_no_rate_is_counted_and_shown(world: Sales, opened: Open) -> None:
    close: Any = {"close_date": {"year": 2026, "month": 3, "day": 20}}
    pipeline = opened(amount={"currency_code": "JPY", "minor_units": 161_240}, **close).pipeline_id
    opened(amount={"currency_code": "KWD", "minor_units": 333_100}, **close)
    opened(amount={"currency_code": "CHF", "minor_units": 77}, **close)
    opened(amount=None, **close)
    record(world, {"JPY": "161.24", "KWD": "0.33310"})
    world.deliver()
    request = forecast_pb2.GetForecastRequest(pipeline_id=pipeline, convert_to="EUR", **QUARTER)
    found = world.call(request, plans_pb2.Forecast)
    assert {each.currency_code for each in found.currencies} == {"", "CHF", "JPY", "KWD"}
    whole = found.converted
    assert [(each.sums.deals, each.sums.amount) for each in whole.forecast.categories] == [(3, 200_000)]
    assert whole.forecast.expected == 20_000
    assert (whole.unconverted_deals, len(whole.unconverted)) == (1, 1)
    assert (whole.unconverted[0].currency_code, whole.unconverted[0].sums.amount) == ("CHF", 77)
    assert (whole.oldest_rate_date.month, whole.oldest_rate_date.day) == (2, 27)


def test_rates_of_tomorrow_are_not_used(world: Sales, opened: Open) -> None:
    pipeline = opened(amount={"currency_code": "JPY", "minor_units": 1}).pipeline_id
    record(world, valid_date={"year": 2026, "month": 3, "day": 3})
    world.deliver()
    request = forecast_pb2.GetForecastRequest(pipeline_id=pipeline, convert_to="EUR", **QUARTER)
    assert world.call(request, plans_pb2.Forecast).converted.unconverted_deals == 1


def test_rates_told_again_take_the_place_of_the_first(world: Sales) -> None:
    first = record(world)
    second = record(world, {"USD": "1.1"})
    record(world, {"USD": "1.1"})  # nothing new
    assert (first.id, second.revision) == (second.id, 2)
    listed = world.call(rates_pb2.ListRatesRequest(), rates_pb2.ListRatesResponse).tables
    assert [(each.id, each.rates[0].value) for each in listed] == [(first.id, "1.1")]
    assert world.events() == ["rates.recorded", "rates.recorded"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda t: t.update(rates={"USD": "0"}), "table.rates[0].value"),
        (lambda t: t.update(rates={"USD": "0.000"}), "table.rates[0].value"),
        (lambda t: t.update(rates={"ABC": "1"}), "table.rates[0].currency_code"),
        (lambda t: t.update(rates={"EUR": "1"}), "table.rates[0].currency_code"),
        (lambda t: t.update(base_currency_code="XXX"), "table.base_currency_code"),
        (lambda t: t.update(rates={"USD": "-1"}), "table.rates[0].value"),
        (lambda t: t.update(rates={"USD": "1e5"}), "table.rates[0].value"),
        (lambda t: t.update(rates={}), "table.rates"),
    ],
)
def test_rates_that_make_no_sense_are_refused(world: Sales, change: Callable[[Any], None], field: str) -> None:
    told: dict[str, Any] = {}
    change(told)
    with pytest.raises(InvalidArgument) as refused:
        record(world, **told)
    assert [each.field for each in refused.value.violations] == [field]
