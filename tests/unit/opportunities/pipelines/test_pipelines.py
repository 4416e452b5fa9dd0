"""Pipelines: what makes one sound, and what stays of it when it is defined anew."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from kehu.opportunities.v1 import pipelines_pb2 as pb

from libs.chassis.domain import InvalidArgument, NotFound
from services.opportunities.pipelines.domain import Criterion, Measure, StageRemoved, unmet
from tests.unit.opportunities.conftest import STAGES, Sales, defined


def test_criteria_are_a_measure_and_its_least_value() -> None:
    criteria = (Criterion(measure=Measure.AMOUNT, at_least=500), Criterion(measure=Measure.NEXT_STEP, at_least=0))
    assert unmet(criteria, {Measure.AMOUNT: 500, Measure.NEXT_STEP: 1}) == ()
    assert unmet(criteria, {Measure.AMOUNT: 499, Measure.NEXT_STEP: 1}) == criteria[:1]
    assert unmet(criteria, {Measure.AMOUNT: 500}) == criteria[1:]  # nothing at all is never enough


def test_a_renamed_stage_keeps_its_key_and_old_versions_their_names(world: Sales, pipeline: pb.Pipeline) -> None:
    stages = deepcopy(STAGES)
    stages[0]["display_name"] = "First look"
    changed = world.call(pb.RedefinePipelineRequest(pipeline=defined(id=pipeline.id, stages=stages)), pb.Pipeline)
    assert (changed.version, changed.stages[0].key, changed.stages[0].display_name) == (2, "prospect", "First look")
    first = world.call(pb.GetPipelineRequest(pipeline_id=pipeline.id, version=1), pb.Pipeline)
    assert (first.version, first.stages[0].display_name) == (1, "Prospect")
    same = world.call(pb.RedefinePipelineRequest(pipeline=defined(id=pipeline.id, stages=stages)), pb.Pipeline)
    assert (same.version, same.revision) == (2, changed.revision)
    assert world.events() == ["pipeline.created", "pipeline.redefined"]
    with pytest.raises(NotFound, match="version 3"):
        world.call(pb.GetPipelineRequest(pipeline_id=pipeline.id, version=3), pb.Pipeline)


def test_no_stage_is_removed_but_it_may_be_retired(world: Sales, pipeline: pb.Pipeline) -> None:
    request = pb.RedefinePipelineRequest(pipeline=defined(id=pipeline.id, stages=STAGES[1:]))
    with pytest.raises(StageRemoved, match="prospect"):
        world.call(request, pb.Pipeline)
    stages = deepcopy(STAGES)
    stages[0]["retired"] = True
    changed = world.call(pb.RedefinePipelineRequest(pipeline=defined(id=pipeline.id, stages=stages)), pb.Pipeline)
    assert changed.stages[0].retired


@pytest.mark.parametrize(
    ("place", "fields", "wrong"),
    [
        (1, {"key": "prospect"}, "stages[1].key"),
        (0, {"category": "FORECAST_CATEGORY_CLOSED"}, "stages[0].category"),
        (3, {"probability_basis_points": 9000}, "stages[3].category"),
        (3, {"kind": "STAGE_KIND_OPEN", "category": "FORECAST_CATEGORY_COMMIT"}, "stages"),
        (4, {"retired": True}, "stages[4].retired"),
    ],
)
def test_everything_wrong_is_told_at_once(world: Sales, place: int, fields: dict[str, Any], wrong: str) -> None:
    stages = deepcopy(STAGES)
    stages[place] |= fields
    draft = defined(stages=stages, currency_code="DEM", time_zone="Mars/Olympus")
    found = world.call(pb.ValidatePipelineRequest(pipeline=draft), pb.ValidatePipelineResponse)
    assert [each.field for each in found.violations] == ["currency_code", "time_zone", wrong]
    with pytest.raises(InvalidArgument) as refused:
        world.call(pb.CreatePipelineRequest(pipeline=draft), pb.Pipeline)
    assert [each.field for each in refused.value.violations][-1] == f"pipeline.{wrong}"
    assert world.events() == []
