"""Forecasts of nights: kept once, never changed, compared and judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from kehu.common.v1.operation_pb2 import Operation as Started
from kehu.opportunities.v1 import board_pb2, deals_pb2, models_pb2, pipelines_pb2, snapshots_pb2

from libs.chassis import context
from libs.chassis.domain import InvalidArgument, NotFound
from libs.chassis.operations import Operations, OperationState
from libs.chassis.testing import run_killed_everywhere
from services.opportunities.forecast.application.snapshots import Snapshots, SnapshotState
from services.opportunities.forecast.domain.health import PEOPLE_MIN
from services.opportunities.forecast.domain.periods import PeriodUnknown
from services.opportunities.forecast.domain.simulation import Distribution, Method
from services.opportunities.forecast.domain.snapshots import (
    ForecastBasis,
    ForecastSnapshot,
    OwnerForecast,
    SimulatedForecast,
    judge,
    next_night,
)
from services.opportunities.forecast.domain.totals import CurrencyForecast, Sums
from tests.unit.opportunities.conftest import NOW, Open, Sales, defined

DAY = timedelta(days=1)


def night(world: Sales) -> int:
    """Lets the clock begin the work of a night, and does it. How many snapshots came of it."""
    begun = world.tick("nights")
    before = len(snapshots(world)) if begun else 0
    if begun:
        [waiting] = [each for each in operations(world) if each.active]
        assert world.operate(waiting.id).state is OperationState.SUCCEEDED, world
        world.deliver()
        return len(snapshots(world)) - before
    return 0


def operations(world: Sales) -> Sequence[Any]:
    from libs.chassis.paging import PageRequest

    return Operations(world.database).list('kind = "snapshot_forecasts"', PageRequest(size=100)).items


def snapshots(world: Sales) -> list[ForecastSnapshot]:
    return world.store.forecast.snapshots.find(None, order="_id", limit=1000)


def listed(world: Sales, pipeline: str) -> list[snapshots_pb2.ForecastSnapshot]:
    request = snapshots_pb2.ListForecastSnapshotsRequest(pipeline_id=pipeline)
    return [*world.call(request, snapshots_pb2.ListForecastSnapshotsResponse).snapshots]


def compared(world: Sales, pipeline: str, period: str, before: date, after: date) -> snapshots_pb2.ForecastComparison:
    days = {
        name: {"year": day.year, "month": day.month, "day": day.day}
        for name, day in (("before_date", before), ("after_date", after))
    }
    request = snapshots_pb2.CompareSnapshotsRequest(pipeline_id=pipeline, period=period, **days)  # type: ignore[arg-type]
    return world.call(request, snapshots_pb2.ForecastComparison)


def test_a_night_keeps_the_present_and_the_next_month_and_quarter(world: Sales, opened: Open) -> None:
    pipeline = opened(close_date={"year": 2026, "month": 3, "day": 20}, owner="ann").pipeline_id
    world.deliver()
    assert night(world) == 0  # it is not night yet
    world.clock.at = datetime(2026, 3, 3, 0, 0, 30, tzinfo=UTC)
    assert night(world) == 4
    found = {each.period: each for each in listed(world, pipeline)}
    assert found.keys() == {"2026-P03", "2026-P04", "2026-Q1", "2026-Q2"}
    march = found["2026-P03"]
    assert (march.snapshot_date.day, march.currencies[0].expected) == (3, 10_000)
    assert [(each.owner, each.expected) for each in march.owners] == [("ann", 10_000)]
    assert march.simulations[0].distribution.mean == pytest.approx(10_000)
    assert world.events().count("forecast.snapshotted") == 4
    assert night(world) == 0
    world.clock.advance(DAY)
    assert night(world) == 4


def test_of_two_workers_one_begins_a_night(world: Sales, pipeline: Any) -> None:
    world.deliver()
    world.clock.advance(DAY)
    due = [each.entity for each in world.store.forecast.nights().find(world.clock.at)]
    begun: list[str] = []
    for worker in ("first", "second"):
        begin = partial(begun.append, worker)
        Snapshots(world.store.forecast).begin([each for each in due if each is not None], begin)
    assert begun == ["first"]


def test_a_night_that_is_killed_at_every_step_ends_as_if_it_were_not(world: Sales, opened: Open) -> None:
    opened(close_date={"year": 2026, "month": 3, "day": 20})
    world.call(pipelines_pb2.CreatePipelineRequest(pipeline=defined(display_name="Other")), pipelines_pb2.Pipeline)
    world.deliver()
    result, kills = run_killed_everywhere(Snapshots(world.store.forecast).run, object(), SnapshotState())
    assert kills > 3
    assert len(snapshots(world)) == 8
    assert result.pipelines == 2


def test_two_runs_of_one_night_keep_the_first(world: Sales, opened: Open) -> None:
    deal = opened(close_date={"year": 2026, "month": 3, "day": 20})
    world.deliver()
    take(world)
    before = snapshots(world)
    world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)
    world.deliver()
    take(world)
    assert snapshots(world) == before
    assert all(each.revision == 1 for each in before)


def take(world: Sales) -> None:
    started = world.call(snapshots_pb2.SnapshotForecastsRequest(), Started)
    assert world.operate(started.id).state is OperationState.SUCCEEDED


def test_t35_a_deal_reopened_next_quarter_changes_no_snapshot(world: Sales, opened: Open) -> None:
    deal = opened()
    world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)
    world.deliver()
    take(world)
    [quarter] = [each for each in snapshots(world) if each.period == "2026-Q1"]
    won_at = world.clock.at
    world.clock.at = datetime(2026, 4, 10, 9, tzinfo=UTC)
    world.call(deals_pb2.ReopenDealRequest(deal_id=deal.id), deals_pb2.Deal)
    world.deliver()
    take(world)
    [same] = [each for each in snapshots(world) if each.period == "2026-Q1"]
    assert (same, same.currencies[0].closed.deals) == (quarter, 1)
    [now] = [each for each in snapshots(world) if each.period == "2026-Q2" and each.snapshot_date.month == 4]
    assert (now.currencies[0].closed.deals, now.currencies[0].undated.deals) == (0, 1)
    states = {}
    for name, at in (("then", won_at), ("now", world.clock.at)):
        request = deals_pb2.GetDealFactsRequest(deal_id=deal.id, effective_time=at)
        states[name] = world.call(request, deals_pb2.DealFacts).state
    assert states == {"then": deals_pb2.DEAL_STATE_WON, "now": deals_pb2.DEAL_STATE_OPEN}
    known = deals_pb2.GetDealFactsRequest(deal_id=deal.id, effective_time=world.clock.at, known_time=won_at)
    assert world.call(known, deals_pb2.DealFacts).state == deals_pb2.DEAL_STATE_WON


def test_two_nights_are_compared(world: Sales, opened: Open) -> None:
    deal = opened(close_date={"year": 2026, "month": 3, "day": 20})
    world.deliver()
    take(world)
    world.clock.advance(DAY)
    world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)
    opened(amount={"currency_code": "JPY", "minor_units": 5})
    world.deliver()
    take(world)
    first, second = date(2026, 3, 2), date(2026, 3, 3)
    euro, yen = compared(world, deal.pipeline_id, "2026-Q1", first, second).currencies
    assert (euro.closed.amount, euro.expected, euro.categories[0].sums.amount) == (100_000, 90_000, -100_000)
    assert (yen.currency_code, yen.undated.deals) == ("JPY", 1)
    with pytest.raises(NotFound, match="2026-03-05"):
        compared(world, deal.pipeline_id, "2026-Q1", first, date(2026, 3, 5))
    with pytest.raises(PeriodUnknown):
        compared(world, deal.pipeline_id, "2026-Q9", first, second)


def test_accuracy_tells_of_periods_that_are_over(world: Sales, opened: Open) -> None:
    deal = opened(close_date={"year": 2026, "month": 3, "day": 20}, stage="offer", owner="ann")
    world.deliver()
    take(world)
    asked = snapshots_pb2.GetForecastAccuracyRequest(pipeline_id=deal.pipeline_id, period="2026")
    assert world.call(asked, snapshots_pb2.AccuracyReport).snapshots == 0  # nothing is over
    world.clock.at = datetime(2026, 3, 20, 9, tzinfo=UTC)
    world.call(deals_pb2.WinDealRequest(deal_id=deal.id), deals_pb2.Deal)
    world.deliver()
    world.clock.at = datetime(2026, 4, 1, 9, tzinfo=UTC)
    report = world.call(asked, snapshots_pb2.AccuracyReport)
    assert report.snapshots == 2  # of the month and of the quarter
    rows = {(each.basis, each.owner): each for each in report.rows}
    everybody = rows[snapshots_pb2.FORECAST_BASIS_SUMS, ""]
    assert (everybody.days_from, everybody.days_to, everybody.accuracy.forecasts) == (8, 30, 2)
    assert everybody.accuracy.wape == pytest.approx(0.4)
    assert everybody.accuracy.bias == pytest.approx(-0.4)
    assert not everybody.accuracy.HasField("covered")
    assert rows[snapshots_pb2.FORECAST_BASIS_SUMS, "ann"].accuracy.wape == pytest.approx(0.4)
    assert rows[snapshots_pb2.FORECAST_BASIS_SIMULATION, ""].accuracy.covered == 1.0


def snapshot(day: date, *, expected: int, p10: int, p90: int, owner: int = 0) -> ForecastSnapshot:
    found = Distribution(mean=expected, deviation=1, p10=p10, p50=expected, p90=p90, method=Method.MONTE_CARLO)
    simulated = SimulatedForecast(
        pipeline_id="pipe_1",
        start_date=date(2026, 1, 1),
        end_date=date(2026, 3, 31),
        currency_code="EUR",
        closed=0,
        distribution=found,
        rho=0.0,
        learned_time=None,
        open_deals=0,
        undated_deals=0,
        new_deals=0.0,
        oldest_rate_date=None,
        unconverted_deals=0,
    )
    sums = CurrencyForecast(
        currency_code="EUR",
        closed=Sums(),
        categories=(),
        slipped=Sums(),
        undated=Sums(),
        stages=(),
        expected=expected,
    )
    mine = OwnerForecast(owner="ann", currency_code="EUR", closed=0, expected=owner, slipped=0)
    return ForecastSnapshot(
        id=f"fsn_{day}",
        pipeline_id="pipe_1",
        snapshot_date=day,
        period="2026-Q1",
        start_date=date(2026, 1, 1),
        end_date=date(2026, 3, 31),
        as_of_time=None,
        currencies=(sums,),
        owners=(mine,),
        simulations=(simulated,),
    )


def test_forecasts_are_judged_by_how_far_ahead_they_looked() -> None:
    came = {("EUR", ""): 100, ("EUR", "ann"): 40}
    far = snapshot(date(2026, 1, 10), expected=150, p10=90, p90=160, owner=60)  # 80 days
    farther = snapshot(date(2026, 1, 20), expected=70, p10=60, p90=99, owner=40)  # 70 days
    near = snapshot(date(2026, 3, 30), expected=100, p10=99, p90=101, owner=40)  # 1 day
    rows = {
        (each.basis, each.owner, each.days_to): each.accuracy
        for each in judge([(x, came) for x in (far, farther, near)])
    }
    early = rows[ForecastBasis.SIMULATION, "", 92]
    assert (early.wape, early.bias, early.covered) == (pytest.approx(0.4), pytest.approx(0.1), 0.5)
    assert rows[ForecastBasis.SUMS, "ann", 92].bias == pytest.approx(0.25)
    assert rows[ForecastBasis.SIMULATION, "", 7].covered == 1.0
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        (["UTC"], "2026-03-03T00:00:00+00:00"),
        (["UTC", "Pacific/Kiritimati"], "2026-03-02T10:00:00+00:00"),
        (["Pacific/Honolulu"], "2026-03-02T10:00:00+00:00"),
        (["America/New_York"], "2026-03-03T05:00:00+00:00"),
    ],
)
def test_a_night_begins_where_the_pipeline_is(zones: list[str], expected: str) -> None:
    assert next_night(zones, NOW).isoformat() == expected


# ----------------------------------------------------------------------------------------------------------- health


def test_health_is_told_by_team_and_never_of_a_few_people(world: Sales, opened: Open) -> None:
    for number in range(PEOPLE_MIN):
        opened(owner=f"n{number}", team="north", close_date={"year": 2026, "month": 2, "day": 1})
    last = opened(owner="s0", team="south", amount=None)
    request = models_pb2.GetPipelineHealthRequest(pipeline_id=last.pipeline_id)
    with pytest.raises(NotFound):
        world.call(request, models_pb2.PipelineHealth)
    world.deliver()
    world.clock.advance(31 * DAY)
    take(world)
    found = world.call(request, models_pb2.PipelineHealth)
    [north] = found.teams  # one person is nobody's business
    assert (north.team, north.owners, north.open_deals) == ("north", 5, 5)
    assert (north.slipped, north.without_next_step, north.untouched, north.without_amount) == (5, 5, 5, 0)
    assert north.decay == pytest.approx(0.6)
    assert found.feeding_nothing == [pipelines_pb2.MEASURE_CONTACTS]
    assert not found.over_budget


# ------------------------------------------------------------------------------------------------------------ board


def test_a_board_is_one_bounded_call(world: Sales, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    step: Any = {"text": "call back", "due_time": NOW + DAY}
    mine = opened(owner="bob", next_step=step, close_date={"year": 2026, "month": 3, "day": 20})
    for _ in range(3):
        opened()
    world.deliver()
    request = board_pb2.GetBoardRequest(pipeline_id=mine.pipeline_id, period="2026-Q1", cards=2)
    found = world.call(request, board_pb2.Board)
    assert [(each.stage, len(each.cards), each.more) for each in found.stages] == [
        ("prospect", 2, True),
        ("qualified", 0, False),
        ("offer", 0, False),
    ]
    assert found.forecast.currencies[0].stages[0].sums.deals == 4
    assert found.pipeline.display_name == "Direct"
    of_bob = board_pb2.GetBoardRequest(pipeline_id=mine.pipeline_id, period="2026-Q1", owner="bob")
    [card] = world.call(of_bob, board_pb2.Board).stages[0].cards
    assert (card.deal_id, card.next_step.text, card.amount.minor_units) == (mine.id, "call back", 100_000)
    with pytest.raises(InvalidArgument, match="cards"):
        world.call(board_pb2.GetBoardRequest(pipeline_id=mine.pipeline_id, period="2026", cards=51), board_pb2.Board)


def test_another_tenant_sees_no_night_of_ours(world: Sales, opened: Open) -> None:
    pipeline = opened().pipeline_id
    world.deliver()
    take(world)
    with world.acting(tenant="other"), pytest.raises(NotFound):
        Snapshots(world.store.forecast).health(pipeline)
    assert context.current().tenant == "acme"
