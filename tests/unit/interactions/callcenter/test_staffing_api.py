"""Erlang's formulae and staffing through the public API: every row of the reference tables, golden values, refusals."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kehu.interactions.v1 import staffing_pb2 as pb

from libs.chassis.domain import InvalidArgument
from libs.chassis.testing import World
from services.interactions.__main__ import SERVICE
from services.interactions.store import InteractionsStore

TARGET = pb.AnswerTarget(share=0.8, within=20)


@pytest.fixture
def world() -> Iterator[World[InteractionsStore]]:
    with World(SERVICE, at=datetime(2026, 3, 2, 9, tzinfo=UTC), scopes={"interactions.staffing.read"}).entered() as it:
        yield it


def table(folder: Path, name: str) -> list[Mapping[str, str]]:
    with (folder / "callcentre" / name).open() as file:
        return [*csv.DictReader(file)]


def load(row: Mapping[str, str], **more: Any) -> pb.Demand:
    """The offered load of a row as calls of half an hour."""
    calls, time = float(row["offered_erlangs"]) * 1800 / float(row["aht_s"]), float(row["aht_s"])
    return pb.Demand(calls=calls, handling_time=time, **more)


@pytest.mark.parametrize("name", ["erlang_c_reference_grid.csv", "erlang_c_published_points.csv"])
def test_every_row_of_erlang_c(world: World[Any], reference_data: Path, name: str) -> None:
    for row in table(reference_data, name):
        asked = pb.ComputeQueueRequest(demand=load(row), agents=int(row["agents"]), within=float(row["target_s"]))
        found = world.call(asked, pb.QueueFigures)
        ours = [found.wait_probability, found.service_level, found.mean_wait, found.occupancy]
        start = "ref_" if "ref_p_wait" in row else ""
        theirs = [float(row[start + each]) for each in ("p_wait", "service_level", "asa_s", "occupancy")]
        assert ours == pytest.approx(theirs, rel=1e-9), row
        assert found.model == pb.QUEUE_MODEL_ERLANG_C


def test_every_row_of_erlang_b(world: World[Any], reference_data: Path) -> None:
    for row in table(reference_data, "erlang_b_published_points.csv"):
        asked = pb.ComputeBlockingRequest(offered=float(row["offered_erlangs"]), agents=int(row["servers"]))
        found = world.call(asked, pb.ComputeBlockingResponse)
        assert found.blocking == pytest.approx(float(row["ref_blocking"]), rel=1e-9)


def test_every_row_of_the_staffing_table(world: World[Any], reference_data: Path) -> None:
    rows = table(reference_data, "expected_staffing_1999-03-09_aht180.csv")
    demands = [pb.Demand(calls=float(row["calls"]), handling_time=180) for row in rows]
    found = world.call(pb.PlanStaffingRequest(demands=demands, targets=[TARGET]), pb.PlanStaffingResponse)
    assert len(found.intervals) == len(rows) == 48
    assert [each.agents for each in found.intervals] == [int(row["agents_80_20"]) for row in rows]
    for each, row in zip(found.intervals, rows, strict=True):
        if each.agents:
            theirs = [float(row[name]) for name in ("service_level", "asa_s", "occupancy")]
            assert [each.service_level, each.mean_wait, each.occupancy] == pytest.approx(theirs, rel=1e-8)
    assert found.agent_hours == sum(each.agents for each in found.intervals) / 2


@pytest.mark.parametrize(
    ("agents", "waiting", "abandoned", "wait"), [(11, 0.382816, 0.094155, 11.30), (10, 0.496853, 0.137464, 16.50)]
)
def test_the_golden_values_of_erlang_a(
    world: World[Any], agents: int, waiting: float, abandoned: float, wait: float
) -> None:
    demand = pb.Demand(calls=100, handling_time=180, patience=120)
    found = world.call(pb.ComputeQueueRequest(demand=demand, agents=agents, within=20), pb.QueueFigures)
    assert found.model == pb.QUEUE_MODEL_ERLANG_A
    assert found.wait_probability == pytest.approx(waiting, abs=5e-7)
    assert found.abandoned == pytest.approx(abandoned, abs=5e-7)
    assert found.mean_wait == pytest.approx(wait, abs=5e-3)


@pytest.mark.parametrize("agents", [0, 9, 10])
def test_t47_too_few_agents_are_refused_with_the_least_number_that_works(world: World[Any], agents: int) -> None:
    demand = pb.Demand(calls=100, handling_time=180)
    with pytest.raises(InvalidArgument, match="at least 11 are needed") as refused:
        world.call(pb.ComputeQueueRequest(demand=demand, agents=agents), pb.QueueFigures)
    assert refused.value.reason_code == "UNSTABLE_QUEUE"
    assert refused.value.metadata["least"] == "11"
    assert world.call(pb.ComputeQueueRequest(demand=demand, agents=11), pb.QueueFigures).occupancy < 1


def test_the_tier_that_is_promised_more_decides_and_shrinkage_is_paid_for(world: World[Any]) -> None:
    gold = pb.AnswerTarget(share=0.95, within=60, tier="gold")
    asked = pb.PlanStaffingRequest(
        demands=[pb.Demand(calls=100, handling_time=180)], targets=[pb.AnswerTarget(share=0.8, within=60), gold]
    )
    [plain] = world.call(asked, pb.PlanStaffingResponse).intervals
    assert plain.decided_by == gold
    assert plain.service_level >= 0.95
    asked.shrinkage = 0.3
    [shrunk] = world.call(asked, pb.PlanStaffingResponse).intervals
    assert (shrunk.agents, shrunk.rostered) == (plain.agents, 20)


@pytest.mark.parametrize(
    "demands",
    [
        [pb.Demand(calls=1_000_000, handling_time=86_400)],
        [pb.Demand(calls=1_000_000, handling_time=1, length=1, patience=86_400)],
        [pb.Demand(calls=180_000, handling_time=180)] * 20,
    ],
)
def test_a_load_that_nobody_has_is_refused_before_it_is_worked_out(world: World[Any], demands: list[pb.Demand]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        world.call(pb.PlanStaffingRequest(demands=demands, targets=[TARGET]), pb.PlanStaffingResponse)
    assert refused.value.reason_code == "LOAD_TOO_LARGE"


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, float("nan")])
def test_a_share_that_no_number_of_agents_reaches_is_refused(world: World[Any], share: float) -> None:
    demands = [pb.Demand(calls=100, handling_time=180)]
    with pytest.raises(InvalidArgument):
        world.call(
            pb.PlanStaffingRequest(demands=demands, targets=[pb.AnswerTarget(share=share, within=20)]),
            pb.PlanStaffingResponse,
        )
