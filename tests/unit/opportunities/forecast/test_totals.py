"""Sums that follow the deals: against a plain sum over all of them, whatever happened in whatever order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median as plain_median
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kehu.opportunities.v1 import deals_pb2, forecast_pb2, pipelines_pb2, plans_pb2

from services.opportunities.forecast.domain.periods import PeriodBackward
from services.opportunities.forecast.domain.totals import apportion, median
from tests.unit.opportunities.conftest import NOW, Open, Sales, defined

DAY = timedelta(days=1)
QUARTER = {"start_date": {"year": 2026, "month": 1, "day": 1}, "end_date": {"year": 2026, "month": 3, "day": 31}}


def day(text: str) -> dict[str, int]:
    year, month, number = map(int, text.split("-"))
    return {"year": year, "month": month, "day": number}


def money(units: int, currency: str = "EUR") -> dict[str, Any]:
    return {"currency_code": currency, "minor_units": units}


def forecast(world: Sales, pipeline: str, **fields: Any) -> dict[str, plans_pb2.CurrencyForecast]:
    world.deliver()
    request = forecast_pb2.GetForecastRequest(pipeline_id=pipeline, **{**QUARTER, **fields})
    found = world.call(request, plans_pb2.Forecast)
    return {each.currency_code: each for each in found.currencies}


def report(world: Sales, pipeline: str, dimension: str = "", **fields: Any) -> dict[str, forecast_pb2.Results]:
    world.deliver()
    asked = {"dimension": f"DIMENSION_{dimension}"} if dimension else {}
    request = forecast_pb2.GetSalesReportRequest(pipeline_id=pipeline, **{**QUARTER, **asked, **fields})
    return {each.key or each.month: each for each in world.call(request, forecast_pb2.SalesReport).results}


def won(world: Sales, deal: deals_pb2.Deal) -> deals_pb2.Deal:
    return world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)


def test_closed_open_slipped_and_undated_are_told_apart(world: Sales, opened: Open) -> None:
    pipeline = opened(close_date=day("2026-03-20")).pipeline_id
    opened(close_date=day("2026-03-01"))  # yesterday
    opened(close_date=day("2026-04-01"), stage="offer")  # another quarter
    opened()
    won(world, opened(amount=money(70_000)))
    found = forecast(world, pipeline)["EUR"]
    assert (found.closed.deals, found.closed.amount) == (1, 70_000)
    assert [(each.category, each.sums.amount, each.sums.weighted) for each in found.categories] == [
        (pipelines_pb2.FORECAST_CATEGORY_PIPELINE, 100_000, 10_000)
    ]
    assert (found.slipped.deals, found.undated.deals) == (1, 1)
    assert {each.stage: each.sums.deals for each in found.stages} == {"offer": 1, "prospect": 3}
    assert found.expected == 80_000  # a won deal counts once, slipped and undated ones do not


def test_a_deal_slips_when_the_day_is_over_without_anybody_touching_it(world: Sales, opened: Open) -> None:
    pipeline = opened(close_date=day("2026-03-02")).pipeline_id
    assert forecast(world, pipeline)["EUR"].slipped.deals == 0
    world.clock.advance(DAY)
    found = forecast(world, pipeline)["EUR"]
    assert (found.slipped.deals, found.slipped.amount, [*found.categories]) == (1, 100_000, [])


def test_currencies_and_recurring_amounts_are_never_added(world: Sales, opened: Open) -> None:
    pipeline = opened(recurring={"monthly": money(100), "months": 12}).pipeline_id
    opened(amount=money(1_234, "JPY"))
    opened(amount=None)
    found = forecast(world, pipeline)
    assert {code: (each.undated.amount, each.undated.recurring) for code, each in found.items()} == {
        "": (0, 0),
        "EUR": (100_000, 1_200),
        "JPY": (1_234, 0),
    }


def test_shares_of_a_team_and_lines_add_up_to_the_deal(world: Sales, opened: Open) -> None:
    splits = [{"member": name, "basis_points": points} for name, points in (("ada", 3_333), ("bob", 6_667))]
    lines = [{"product": "chair", "amount": money(33)}, {"product": "desk", "amount": money(68)}]
    deal = won(world, opened(amount=None, lines=lines, splits=splits, team="north", territory="eu", channel="web"))
    pipeline = deal.pipeline_id
    assert {key: each.revenue for key, each in report(world, pipeline, "OWNER").items()} == {"ada": 34, "bob": 67}
    assert {key: each.revenue for key, each in report(world, pipeline, "PRODUCT").items()} == {"chair": 33, "desk": 68}
    for dimension, key in (("TEAM", "north"), ("TERRITORY", "eu"), ("CHANNEL", "web")):
        assert {name: each.revenue for name, each in report(world, pipeline, dimension).items()} == {key: 101}
    assert forecast(world, pipeline, owner="bob")["EUR"].closed.amount == 67


def test_t34_the_period_is_that_of_the_tenant(world: Sales, opened: Open) -> None:
    request = pipelines_pb2.CreatePipelineRequest(pipeline=defined(time_zone="Pacific/Honolulu"))
    pipeline = world.call(request, pipelines_pb2.Pipeline).id
    world.clock.at = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)  # 1 April in Kiritimati, 31 March in Honolulu
    won(world, opened(pipeline_id=pipeline))
    assert forecast(world, pipeline)["EUR"].closed.deals == 1


def test_a_reopened_deal_leaves_what_was_closed(world: Sales, opened: Open) -> None:
    deal = won(world, opened())
    assert forecast(world, deal.pipeline_id)["EUR"].closed.deals == 1
    world.call(deals_pb2.ReopenDealRequest(deal_id=deal.id), deals_pb2.Deal)
    found = forecast(world, deal.pipeline_id)["EUR"]
    assert (found.closed.deals, found.undated.deals) == (0, 1)


def test_events_that_come_again_or_late_change_nothing(world: Sales, opened: Open) -> None:
    deal = won(world, opened())
    before = forecast(world, deal.pipeline_id)
    envelopes = [each for each in world.database.events() if each.type.startswith("kehu.opportunities.deal")]
    world._hand_over(envelopes[:1])
    world._hand_over(envelopes[::-1])
    assert forecast(world, deal.pipeline_id) == before


def test_every_answer_says_as_of_when(world: Sales, opened: Open) -> None:
    deal = opened()
    request = forecast_pb2.GetForecastRequest(pipeline_id=deal.pipeline_id, **QUARTER)
    assert not world.call(request, plans_pb2.Forecast).HasField("as_of_time")  # nothing was heard yet
    world.deliver()
    world.clock.advance(DAY)
    assert world.call(request, plans_pb2.Forecast).as_of_time.ToDatetime(tzinfo=UTC) == NOW


def test_a_period_ends_after_it_begins(world: Sales, pipeline: Any) -> None:
    with pytest.raises(PeriodBackward, match="2025-12-31"):
        forecast(world, pipeline.id, end_date=Date(year=2025, month=12, day=31))


def test_no_answer_reads_a_deal(world: Sales, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    deal = opened(close_date=day("2026-03-20"))
    world.deliver()
    for name in ("deals", "deal_changes", "deal_positions"):
        for verb in ("_select", "_read"):
            monkeypatch.setattr(world.database.collections[name], verb, None)
    assert forecast(world, deal.pipeline_id)["EUR"].categories[0].sums.deals == 1


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(("amount", "date", "win", "lose", "reopen", "believe")),
        st.integers(1, 9_999),
    ),
    max_size=12,
)


@settings(max_examples=15)
@given(STEPS)
@example([(0, "lose", 1), (1, "lose", 1), (2, "lose", 3)])
def test_sums_are_those_of_the_deals(steps: list[tuple[int, str, int]]) -> None:
    from libs.chassis.testing import World
    from services.opportunities.__main__ import SERVICE
    from tests.unit.opportunities.conftest import SCOPES

    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as world:
        request = pipelines_pb2.CreatePipelineRequest(pipeline=defined())
        pipeline = world.call(request, pipelines_pb2.Pipeline).id
        deals = [create(world, pipeline, 1_000 * (number + 1)) for number in range(3)]
        for number, step, value in steps:
            world.clock.advance(DAY / 24)
            change(world, deals[number], step, value)
            if value % 3 == 0:
                world.deliver()
        found = forecast(world, pipeline).get("EUR", plans_pb2.CurrencyForecast())  # none when all are lost
        now = [world.call(deals_pb2.GetDealRequest(deal_id=each), deals_pb2.Deal) for each in deals]
        still = [each for each in now if each.state == deals_pb2.DEAL_STATE_OPEN]
        assert sum(each.sums.amount for each in found.stages) == sum(each.amount.minor_units for each in still)
        assert sum(each.sums.deals for each in found.stages) == len(still)
        ended = [each for each in now if each.state == deals_pb2.DEAL_STATE_WON]
        assert found.closed.amount == sum(each.amount.minor_units for each in ended)


def create(world: Sales, pipeline: str, units: int) -> str:
    deal = deals_pb2.Deal(display_name="x", pipeline_id=pipeline, amount=money(units))
    return world.call(deals_pb2.CreateDealRequest(deal=deal), deals_pb2.Deal).id


def change(world: Sales, deal_id: str, step: str, value: int) -> None:
    state = world.call(deals_pb2.GetDealRequest(deal_id=deal_id), deals_pb2.Deal).state
    match step:
        case "reopen" if state != deals_pb2.DEAL_STATE_OPEN:
            world.call(deals_pb2.ReopenDealRequest(deal_id=deal_id), deals_pb2.Deal)
        case _ if state != deals_pb2.DEAL_STATE_OPEN:
            return
        case "amount":
            update(world, deal_id, "amount", money(value))
        case "date":
            update(world, deal_id, "close_date", day(f"2026-03-{value % 28 + 1:02}"))
        case "win":
            world.call(deals_pb2.WinDealRequest(deal_id=deal_id), deals_pb2.Deal)
        case "lose":
            world.call(deals_pb2.LoseDealRequest(deal_id=deal_id, lost_reason="LOST_REASON_PRICE"), deals_pb2.Deal)
        case "believe":
            believed = {"probability_basis_points": value, "reason": "felt", "expire_time": world.clock.at + DAY}
            world.call(deals_pb2.SetProbabilityRequest(deal_id=deal_id, **believed), deals_pb2.Deal)


def update(world: Sales, deal_id: str, name: str, value: Any) -> None:
    deal = deals_pb2.Deal(id=deal_id, **{name: value})
    world.call(deals_pb2.UpdateDealRequest(deal=deal, update_mask=FieldMask(paths=[name])), deals_pb2.Deal)


@given(st.integers(0, 10**15), st.lists(st.integers(1, 9_999), min_size=1, max_size=8))
def test_parts_add_up_exactly_and_are_off_by_less_than_one(total: int, points: list[int]) -> None:
    parts = apportion(total, points)
    assert sum(parts) == total
    assert all(abs(part * sum(points) - total * each) < sum(points) for part, each in zip(parts, points, strict=True))


@given(st.lists(st.integers(0, 50), min_size=1))
def test_the_median_of_counts_is_that_of_the_numbers(numbers: list[int]) -> None:
    assert median(Counter(numbers)) == plain_median(numbers)
