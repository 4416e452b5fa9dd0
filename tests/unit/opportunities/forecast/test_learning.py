"""Lessons of ended deals: conversion with censoring, chances, correlation, pace and deals that stand out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from kehu.opportunities.v1 import deals_pb2, models_pb2

from libs.chassis.domain import NotFound
from libs.chassis.operations import Operation, OperationState, to_message
from services.opportunities.deals.application import Deals, PastDeal
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import ChangeKind, DealChange, DealFacts, DealState
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.domain.learning import (
    DealPath,
    PipelineModel,
    Visit,
    correlation,
    learn,
    path_of,
)
from services.opportunities.forecast.domain.stages import NothingToLearn, Tally
from tests.unit.opportunities.conftest import NOW, Open, Sales

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def path(number: int, state: DealState, days: float, *, stage: str = "look", amount: int = 100) -> DealPath:
    ended = START + days * DAY
    return DealPath(
        deal_id=f"deal_{number}",
        state=state,
        open_time=START,
        end_time=None if state is DealState.OPEN else ended,
        visits=(Visit(stage=stage, start=START, end=None if state is DealState.OPEN else ended),),
        currency_code="EUR",
        first_amount=2 * amount,
        amount=amount,
        first_close_date=date(2026, 1, 10),
        close_date=date(2026, 1, 15),
    )


def many(won: int, lost: int, **fields: Any) -> list[DealPath]:
    states = [DealState.WON] * won + [DealState.LOST] * lost
    return [path(number, state, 10 + number % 7, **fields) for number, state in enumerate(states)]


def test_golden_conversion_counts_those_that_are_still_open() -> None:
    """Ten deals: won after 1, 2 and 4 months, lost after 2 and 5, the others still open."""
    ends = [(1, "WON"), (2, "WON"), (4, "WON"), (2, "LOST"), (5, "LOST")]
    paths = [path(number, DealState(state), days) for number, (days, state) in enumerate(ends)]
    for number, days in enumerate((3, 6, 6, 6, 6)):
        still = path(10 + number, DealState.OPEN, 0)
        paths.append(DealPath(**{**as_dict(still), "open_time": START + (6 - days) * DAY}))
    teaching = many(30, 10, stage="other")
    model = learn("pipe_1", [*teaching, *shifted(paths)], START + 6 * DAY)
    [lesson] = [each for each in model.stages if each.stage == "look"]
    last = lesson.curve[-1]
    assert (round(last.won, 6), round(last.lost, 6), round(last.open, 6)) == (0.316667, 0.216667, 0.466667)


def as_dict(one: DealPath) -> dict[str, Any]:
    return {name: getattr(one, name) for name in DealPath.__dataclass_fields__}


def shifted(paths: list[DealPath]) -> list[DealPath]:
    """With the visit beginning when the deal was opened."""
    return [
        DealPath(**{**as_dict(each), "visits": (Visit(stage="look", start=each.open_time, end=each.end_time),)})
        for each in paths
    ]


def test_a_stage_has_the_chance_of_its_deals_and_the_age_of_the_won_ones() -> None:
    model = learn("pipe_1", many(30, 10), START + 40 * DAY)
    lesson = model.stage("look")
    assert lesson is not None
    assert (lesson.won, lesson.ended, model.won, model.ended) == (30, 40, 30, 40)
    assert lesson.probability == pytest.approx(0.75, abs=0.05)
    assert lesson.aging_days == 16  # days 10 to 16, evenly
    assert model.won_days_mean == pytest.approx(12.9, abs=0.1)
    assert (set(model.amount_ratios), set(model.slips)) == ({0.5}, {5})
    [coming] = model.arrivals
    assert (coming.currency_code, coming.per_day) == ("EUR", 1.0)  # forty within forty days


def test_an_old_deal_is_won_by_what_is_left_of_the_curve() -> None:
    model = learn("pipe_1", many(30, 10), START + 40 * DAY)
    now = START + 40 * DAY
    fresh = model.within("look", now, now, now + 100 * DAY)
    assert fresh == (pytest.approx(0.75), pytest.approx(0.75))
    assert model.within("look", now, now, now + 9 * DAY)[0] == 0  # nobody won as fast
    assert model.within("look", now - 16 * DAY, now, now + 100 * DAY) == (0.0, 0.0)  # nobody was open so long
    halfway = model.within("look", now - 12 * DAY, now, now + 100 * DAY)
    assert halfway[0] == pytest.approx(0.75, abs=0.1)
    assert model.within("unknown", now, now, now + 100 * DAY) == fresh  # the curve of all deals


@pytest.mark.parametrize(("won", "lost"), [(20, 9), (40, 0), (0, 40)])
def test_too_few_deals_or_one_outcome_teach_nothing(won: int, lost: int) -> None:
    with pytest.raises(NothingToLearn):
        learn("pipe_1", many(won, lost), START)


def test_correlation_is_found_again_in_months_that_had_it() -> None:
    from scipy.special import ndtr, ndtri

    random, rho, share = np.random.default_rng(5), 0.15, 0.6
    markets = random.standard_normal(400)
    chances = ndtr((ndtri(share) - rho**0.5 * markets) / (1 - rho) ** 0.5)
    months = [Tally(won=int(random.binomial(200, each)), ended=200) for each in chances]
    assert correlation(months) == pytest.approx(rho, abs=0.04)


def test_months_that_scatter_by_chance_alone_have_no_correlation() -> None:
    assert correlation([Tally(won=60, ended=100)] * 6) == 0
    assert correlation([Tally(won=90, ended=100), Tally(won=10, ended=100)]) == 0  # two months say nothing
    assert correlation([Tally(won=10, ended=10)] * 5) == 0


def test_a_path_knows_where_a_deal_was_and_that_it_went_on() -> None:
    def row(number: int, day: int, stage: str, state: DealState = DealState.OPEN) -> DealChange:
        facts = DealFacts(
            state=state,
            stage=stage,
            amount=Money(currency_code="EUR", minor_units=100 * number),
            close_date=date(2026, 2, number),
        )
        at = START + day * DAY
        return DealChange(
            id="",
            deal_id="deal_1",
            number=number,
            kind=ChangeKind.MOVED,
            effective_time=at,
            record_time=at,
            actor="ann",
            facts=facts,
        )

    rows = [row(1, 0, "look"), row(2, 3, "look"), row(3, 5, "offer"), row(4, 9, "won", DealState.WON)]
    rows.append(row(5, 20, "look"))
    deal = Deal(
        id="deal_1",
        customer_id="",
        display_name="x",
        pipeline_id="pipe_1",
        open_time=START,
        amount=Money(currency_code="EUR", minor_units=700),
    )
    found = path_of(deal, rows)
    assert [(each.stage, (each.start - START).days) for each in found.visits] == [
        ("look", 0),
        ("offer", 5),
        ("look", 20),
    ]
    assert [each.end and (each.end - START).days for each in found.visits] == [5, 9, None]
    assert (found.end_time, found.first_amount, found.amount) == (None, 100, 700)
    assert found.first_close_date == date(2026, 2, 1)


# ------------------------------------------------------------------------------------------------ through the service


def history(world: Sales, pipeline: str, won: int = 30, lost: int = 10) -> None:
    """Deals of the last weeks, each ended after ten days."""
    rows = []
    for number in range(won + lost):
        opened = NOW - (40 - number % 20) * DAY
        amount = Money(currency_code="EUR", minor_units=100_000)
        deal = Deal(id="", customer_id="", display_name="x", pipeline_id=pipeline, amount=amount)
        ended = replace(deal, stage="won" if number < won else "lost")
        rows.append(PastDeal(source_key=f"crm:{number}", deal=ended, open_time=opened, close_time=opened + 10 * DAY))
    taken = Deals(world.store.deals).take(rows)
    assert [each.error for each in taken if each.error] == []
    world.deliver()


def operate(world: Sales, request: Any) -> Operation:
    from kehu.common.v1.operation_pb2 import Operation as Started

    return world.operate(world.call(request, Started).id)


def test_a_fit_is_an_operation_whose_result_is_read_again(world: Sales, pipeline: Any) -> None:
    history(world, pipeline.id, won=45, lost=15)
    done = operate(world, models_pb2.FitPipelineModelRequest(pipeline_id=pipeline.id))
    assert done.state is OperationState.SUCCEEDED, done
    told = models_pb2.PipelineModel()
    to_message(done).result.Unpack(told)
    read = world.call(models_pb2.GetPipelineModelRequest(pipeline_id=pipeline.id), models_pb2.PipelineModel)
    assert told == read
    assert (read.won, read.ended, read.won_days_mean) == (45, 60, 10.0)
    assert sum(each.count for each in read.calibration.bins) == 20
    again = operate(world, models_pb2.FitPipelineModelRequest(pipeline_id=pipeline.id))
    assert again.state is OperationState.SUCCEEDED


def test_a_fit_on_too_little_fails_with_its_reason(world: Sales, pipeline: Any) -> None:
    history(world, pipeline.id, won=5, lost=5)
    done = operate(world, models_pb2.FitPipelineModelRequest(pipeline_id=pipeline.id))
    assert done.state is OperationState.FAILED
    assert b"NOTHING_TO_LEARN" in done.error
    with pytest.raises(NotFound):
        world.call(models_pb2.GetPipelineModelRequest(pipeline_id=pipeline.id), models_pb2.PipelineModel)


def test_velocity_is_read_from_what_ended_lately(world: Sales, pipeline: Any, opened: Open) -> None:
    history(world, pipeline.id)
    opened(stage="offer", close_date={"year": 2026, "month": 4, "day": 1})
    opened()
    world.deliver()
    found = world.call(models_pb2.GetVelocityRequest(pipeline_id=pipeline.id), models_pb2.Velocity)
    assert (found.open_deals, found.win_rate, found.mean_won, found.cycle_days) == (2, 0.75, 100_000.0, 10.0)
    assert found.per_day == pytest.approx(2 * 0.75 * 100_000 / 10)
    later = models_pb2.GetVelocityRequest(pipeline_id=pipeline.id, from_stage="offer")
    assert world.call(later, models_pb2.Velocity).open_deals == 1
    assert world.call(models_pb2.GetVelocityRequest(pipeline_id=pipeline.id, days=1), models_pb2.Velocity).win_rate == 0


def simulate(world: Sales, pipeline: str, **fields: Any) -> models_pb2.SimulatedForecast:
    request = models_pb2.SimulateForecastRequest(pipeline_id=pipeline, **{"period": "2026-Q1", **fields})
    done = operate(world, request)
    assert done.state is OperationState.SUCCEEDED, done
    told = models_pb2.SimulatedForecast()
    to_message(done).result.Unpack(told)
    return told


def test_without_lessons_a_simulation_takes_the_chances_of_stages(world: Sales, pipeline: Any, opened: Open) -> None:
    march: Any = {"year": 2026, "month": 3, "day": 20}
    opened(stage="offer", close_date=march)
    opened(stage="offer", close_date={"year": 2026, "month": 4, "day": 1})
    opened()
    opened(amount={"currency_code": "JPY", "minor_units": 1}, close_date=march)
    found = simulate(world, pipeline.id, seed=5)
    assert found.distribution.method == models_pb2.METHOD_CONVOLUTION
    assert (found.distribution.mean, found.distribution.p50) == (pytest.approx(60_000), 100_000)
    assert (found.undated_deals, found.unconverted_deals, found.HasField("learned_time")) == (1, 1, False)


def test_with_lessons_undated_and_new_deals_count(world: Sales, pipeline: Any, opened: Open) -> None:
    history(world, pipeline.id)
    operate(world, models_pb2.FitPipelineModelRequest(pipeline_id=pipeline.id))
    opened()
    found = simulate(world, pipeline.id, seed=5, draws=20_000, rho=0.0)
    assert (found.undated_deals, found.open_deals) == (0, 1)
    assert found.closed == 3_000_000  # thirty won deals of the quarter
    assert found.new_deals > 5
    expected = found.closed + 100_000 * (0.75 + found.new_deals)
    assert found.distribution.mean == pytest.approx(expected, abs=4 * found.distribution.error)
    assert found.distribution.draws == 20_000
    assert simulate(world, pipeline.id, seed=5, draws=20_000, rho=0.0) == found
    fewer = simulate(world, pipeline.id, without_new_deals=True, rho=0.0)
    assert (fewer.new_deals, fewer.distribution.p90) == (0, found.closed + 100_000)


def test_a_period_that_is_over_brings_what_it_brought(world: Sales, pipeline: Any, opened: Open) -> None:
    history(world, pipeline.id)
    opened(close_date={"year": 2026, "month": 2, "day": 20})
    found = simulate(world, pipeline.id, period="2026-P02")
    assert (found.distribution.p10, found.distribution.p90) == (found.closed, found.closed)


# ------------------------------------------------------------------------------------------------------- late deals


def listed(world: Sales, name: str, pipeline: str, **fields: Any) -> list[str]:
    request = getattr(models_pb2, f"List{name}DealsRequest")(pipeline_id=pipeline, **fields)
    answer = getattr(models_pb2, f"List{name}DealsResponse")
    first = world.call(request, answer)
    found = [*first.deals]
    while first.next_page_token:
        request.page_token = first.next_page_token
        first = world.call(request, answer)
        found += first.deals
    return [each.id for each in found]


def test_slipped_deals_are_listed_the_latest_last(world: Sales, opened: Open) -> None:
    late = opened(close_date={"year": 2026, "month": 3, "day": 1})
    later = opened(close_date={"year": 2026, "month": 1, "day": 1})
    opened(close_date={"year": 2026, "month": 3, "day": 2})
    opened()
    won = opened(close_date={"year": 2026, "month": 1, "day": 1})
    world.call(deals_pb2.WinDealRequest(deal_id=won.id), deals_pb2.Deal)
    assert listed(world, "Slipped", late.pipeline_id, page_size=1) == [later.id, late.id]


def test_stalled_deals_are_those_that_nobody_changed(world: Sales, opened: Open) -> None:
    still, moved = opened(), opened()
    world.clock.advance(20 * DAY)
    request = deals_pb2.UpdateDealRequest(
        deal=deals_pb2.Deal(id=moved.id, team="north"), update_mask=FieldMask(paths=["team"])
    )
    world.call(request, deals_pb2.Deal)
    world.clock.advance(11 * DAY)
    assert listed(world, "Stalled", still.pipeline_id) == [still.id]
    assert listed(world, "Stalled", still.pipeline_id, days=5) == [still.id, moved.id]


def test_aging_deals_are_older_in_their_stage_than_won_ones_were(world: Sales, pipeline: Any, opened: Open) -> None:
    old = opened()
    world.clock.advance(11 * DAY)
    young = opened()
    assert listed(world, "Aging", pipeline.id) == []  # nothing learned, and the first stage allows any age
    history(world, pipeline.id)
    operate(world, models_pb2.FitPipelineModelRequest(pipeline_id=pipeline.id))
    assert listed(world, "Aging", pipeline.id) == [old.id]
    world.clock.advance(11 * DAY)
    assert listed(world, "Aging", pipeline.id) == [old.id, young.id]


def test_what_was_learned_before_is_replaced(world: Sales, pipeline: Any) -> None:
    first = PipelineModel(id="pmod_1", pipeline_id="pipe_1", revision=3, won=1)
    kept, events = first.relearn(PipelineModel(id="", pipeline_id="pipe_1", won=2))
    assert (kept.id, kept.revision, kept.won, list(events)) == ("pmod_1", 3, 2, [])
