"""Quotas and overrides beside the sums, the mix of channels, and who depends on whom."""

from __future__ import annotations

from typing import Any

import pytest
from kehu.opportunities.v1 import deals_pb2, forecast_pb2, plans_pb2, rates_pb2

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument
from services.opportunities.forecast.domain.plans import QuotaKeyUnfit, dependency, revenue_mix
from tests.unit.opportunities.conftest import Open, Sales

QUARTER: Any = {"period": "2026-Q1"}
MARCH: Any = {"close_date": {"year": 2026, "month": 3, "day": 20}}


def eur(units: int) -> Any:
    return {"currency_code": "EUR", "minor_units": units}


def win(world: Sales, deal: deals_pb2.Deal) -> None:
    world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)
    world.deliver()


def override(world: Sales, pipeline: str, amount: Any, **fields: Any) -> plans_pb2.ForecastOverride:
    told = {"reason": "they called", **fields}
    request = plans_pb2.OverrideForecastRequest(pipeline_id=pipeline, amount=amount, **QUARTER, **told)
    return world.call(request, plans_pb2.ForecastOverride)


def quota(world: Sales, pipeline: str, amount: Any, **fields: Any) -> plans_pb2.Quota:
    request = plans_pb2.SetQuotaRequest(pipeline_id=pipeline, amount=amount, **QUARTER, **fields)
    return world.call(request, plans_pb2.Quota)


def coverage(world: Sales, pipeline: str) -> dict[str, plans_pb2.Coverage]:
    request = plans_pb2.GetCoverageRequest(pipeline_id=pipeline, **QUARTER)
    return {each.quota.key: each for each in world.call(request, plans_pb2.CoverageReport).coverages}


def test_an_override_stands_beside_the_sums_and_never_inside(world: Sales, opened: Open) -> None:
    pipeline = opened(**MARCH).pipeline_id
    world.deliver()
    request = forecast_pb2.GetForecastRequest(pipeline_id=pipeline, **QUARTER)
    before = world.call(request, plans_pb2.Forecast)
    told = override(world, pipeline, eur(77_700))
    after = world.call(request, plans_pb2.Forecast)
    assert list(after.currencies) == list(before.currencies)
    [beside] = after.overrides
    assert (beside.amount.minor_units, beside.actor, beside.reason) == (77_700, "ada", "they called")
    assert told == beside
    override(world, pipeline, eur(1), owner="bob")
    assert [each.owner for each in world.call(request, plans_pb2.Forecast).overrides] == ["", "bob"]
    of_bob = forecast_pb2.GetForecastRequest(pipeline_id=pipeline, owner="bob", **QUARTER)
    assert [each.owner for each in world.call(of_bob, plans_pb2.Forecast).overrides] == ["bob"]
    override(world, pipeline, None)
    assert [each.owner for each in world.call(request, plans_pb2.Forecast).overrides] == ["bob"]


def test_an_override_says_why_and_in_which_currency(world: Sales, pipeline: Any) -> None:
    with pytest.raises(InvalidArgument, match="reason"):
        override(world, pipeline.id, eur(1), reason="")
    with pytest.raises(InvalidArgument, match="'XXX' is no ISO 4217"):
        override(world, pipeline.id, {"currency_code": "XXX", "minor_units": 1})


def test_a_quota_is_covered_by_what_is_won_and_what_is_open(world: Sales, opened: Open) -> None:
    deal = opened(owner="ann", amount=eur(60_000))
    pipeline = deal.pipeline_id
    win(world, deal)
    opened(owner="ann", amount=eur(80_000), stage="offer", **MARCH)
    opened(owner="bob", amount=eur(50_000), **MARCH)
    world.deliver()
    quota(world, pipeline, eur(100_000), dimension="DIMENSION_OWNER", key="ann")
    quota(world, pipeline, eur(50_000))
    found = coverage(world, pipeline)
    ann, everybody = found["ann"], found[""]
    assert (ann.closed.amount, ann.open.amount, ann.gap) == (60_000, 80_000, 40_000)
    assert (ann.attainment, ann.coverage, ann.expected_attainment) == (0.6, 2.0, pytest.approx(1.08))
    assert (everybody.gap, everybody.HasField("coverage"), everybody.open.deals) == (0, False, 2)
    quota(world, pipeline, None)
    assert coverage(world, pipeline).keys() == {"ann"}


def test_deals_without_a_rate_cover_nothing_and_are_counted(world: Sales, opened: Open) -> None:
    pipeline = opened(amount={"currency_code": "JPY", "minor_units": 10_000}, **MARCH).pipeline_id
    world.deliver()
    quota(world, pipeline, eur(1_000))
    assert (coverage(world, pipeline)[""].unconverted_deals, coverage(world, pipeline)[""].open.amount) == (1, 0)
    table: Any = {
        "base_currency_code": "EUR",
        "valid_date": {"year": 2026, "month": 3, "day": 1},
        "rates": [{"currency_code": "JPY", "value": "100"}],
    }
    world.call(rates_pb2.RecordRatesRequest(table=table), rates_pb2.RateTable)
    found = coverage(world, pipeline)[""]
    assert (found.unconverted_deals, found.open.amount, found.oldest_rate_date.day) == (0, 10_000, 1)


@pytest.mark.parametrize(
    "fields", [{"dimension": "DIMENSION_OWNER"}, {"key": "ann"}, {"dimension": "DIMENSION_ALL", "key": "ann"}]
)
def test_a_quota_names_whose_it_is_or_nobody(world: Sales, pipeline: Any, fields: Any) -> None:
    with pytest.raises(QuotaKeyUnfit):
        quota(world, pipeline.id, eur(1), **fields)


@pytest.mark.parametrize("units", [0, -1])
def test_a_quota_is_more_than_nothing(world: Sales, pipeline: Any, units: int) -> None:
    with pytest.raises(InvalidArgument, match="more than 0"):
        quota(world, pipeline.id, eur(units))


# ------------------------------------------------------------------------------------------- channels, dependency


def test_channels_of_70_20_10_and_where_they_drift() -> None:
    mix = revenue_mix("EUR", {"web": 60, "shop": 30, "phone": 10}, {"web": 70, "shop": 20, "phone": 10})
    by_name = {each.channel: each for each in mix.channels}
    assert [round(by_name[name].share, 2) for name in ("web", "shop", "phone")] == [0.6, 0.3, 0.1]
    assert by_name["web"].drift == pytest.approx(-0.1)
    assert by_name["shop"].growth_index == pytest.approx(150)
    assert mix.drift == pytest.approx(0.1)  # a tenth of the revenue changed its channel


def test_a_mix_without_a_period_before_has_no_drift() -> None:
    mix = revenue_mix("EUR", {"web": 60}, {})
    assert (mix.drift, mix.channels[0].share_before, mix.channels[0].growth_index) == (None, None, None)


def test_the_mix_is_read_from_what_was_won(world: Sales, opened: Open) -> None:
    for channel, units in (("web", 70_000), ("shop", 20_000), ("", 10_000)):
        deal = opened(channel=channel, amount=eur(units))
        win(world, deal)
    request = plans_pb2.GetRevenueMixRequest(pipeline_id=deal.pipeline_id, **QUARTER)
    found = world.call(request, plans_pb2.RevenueMixReport)
    assert {each.channel: each.share for each in found.mixes[0].channels} == {"web": 0.7, "shop": 0.2, "": 0.1}
    assert (found.before_end_date.year, found.before_end_date.month, found.before_end_date.day) == (2025, 12, 31)


def test_both_sides_of_a_dependency(world: Sales, opened: Open) -> None:
    customer = identity.new_id("cus")
    deal = opened(customer_id=customer, amount=eur(40_000))
    win(world, deal)
    win(world, opened(amount=eur(60_000)))
    asked: Any = {"pipeline_id": deal.pipeline_id, "customer_id": customer, **QUARTER}
    found = world.call(plans_pb2.GetDependencyRequest(spend=eur(400_000), **asked), plans_pb2.Dependency)
    assert (found.revenue, found.our_dependency, found.their_dependency) == (40_000, 0.4, 0.1)
    assert found.concentrated
    unknown = world.call(plans_pb2.GetDependencyRequest(spend=eur(0), **asked), plans_pb2.Dependency)
    assert not unknown.HasField("their_dependency")


@pytest.mark.parametrize(
    ("revenue", "revenue_all", "spend", "concentrated"),
    [(34, 100, 0, True), (33, 100, 0, False), (1, 3, 0, False), (1, 100, 2, True), (0, 0, 0, False)],
)
def test_more_than_a_third_is_concentrated(revenue: int, revenue_all: int, spend: int, concentrated: bool) -> None:
    assert dependency("cus_1", "EUR", revenue, revenue_all, spend).concentrated is concentrated


def test_rivals_are_reported_by_their_deals(world: Sales, opened: Open) -> None:
    rivals: Any = [{"name": "Rival"}, {"name": "Other"}]
    deal = opened(competitors=rivals)
    win(world, deal)
    lost = opened(competitors=rivals[:1])
    request = deals_pb2.LoseDealRequest(deal_id=lost.id, lost_reason="LOST_REASON_COMPETITOR", lost_to="Rival")
    world.call(request, deals_pb2.Deal)
    world.deliver()
    asked = forecast_pb2.GetSalesReportRequest(
        pipeline_id=deal.pipeline_id, dimension="DIMENSION_COMPETITOR", **QUARTER
    )
    found = {each.key: each for each in world.call(asked, forecast_pb2.SalesReport).results}
    assert {name: (each.won, each.lost) for name, each in found.items()} == {"Rival": (1, 1), "Other": (1, 0)}
