"""Adherence counts what came on time, the map shows gaps, and rules become overdue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from kehu.care.v1 import adherence_pb2 as pb
from kehu.care.v1 import programs_pb2, touches_pb2
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.profiles.v1 import tiers_pb2

from libs.chassis import identity
from libs.chassis.domain import DomainError
from services.care.adherence.application import Adherence
from services.care.adherence.domain import Result, result_of
from services.care.customers.domain.projection import Channel
from services.care.programs.domain.plans import Form
from services.care.touches.domain.parts import Task, TaskOutcome, TouchState
from services.care.touches.domain.touches import Touch
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, active, pulse
from tests.unit.care.happenings import ranked

DAY = timedelta(days=1)
MARCH: dict[str, Any] = {"from_month": "2026-03", "to_month": "2026-03"}
TOUCH = Touch(
    id="tch_1",
    customer_id="cus_1",
    occurrence="x",
    planned_time=NOW,
    expire_time=NOW + DAY,
    form=Form.MESSAGE,
    channel=Channel.EMAIL,
)
TASK = Task(assignee="eve", due_time=NOW + DAY)


def done(outcome: TaskOutcome, end: int) -> Touch:
    return replace(TOUCH, task=replace(TASK, outcome=outcome, end_time=NOW + end * DAY))


@pytest.mark.parametrize(
    ("touch", "result"),
    [
        (replace(TOUCH, state=TouchState.SENT, send_time=NOW), Result.ON_TIME),
        (replace(TOUCH, state=TouchState.SENT, send_time=NOW + 2 * DAY), Result.LATE),
        (replace(TOUCH, state=TouchState.LAPSED), Result.MISSED),
        (replace(TOUCH, state=TouchState.SUPPRESSED), Result.EXCUSED),
        (replace(TOUCH, state=TouchState.FAILED), Result.MISSED),
        (replace(TOUCH, state=TouchState.FAILED, send_time=NOW), None),
        (replace(TOUCH, state=TouchState.RESPONDED, send_time=NOW), None),
        (replace(TOUCH, state=TouchState.UNCERTAIN), None),
        (replace(TOUCH, task=TASK), None),
        (done(TaskOutcome.DONE, 1), Result.ON_TIME),
        (done(TaskOutcome.DONE, 2), Result.LATE),
        (done(TaskOutcome.NOT_REACHED, 0), Result.MISSED),
        (done(TaskOutcome.DECLINED, 0), Result.EXCUSED),
    ],
)
def test_each_end_has_its_result_and_is_counted_once(touch: Touch, result: Result | None) -> None:
    assert result_of(touch) is result


def report(world: Care, **fields: Any) -> pb.AdherenceReport:
    return world.call(pb.GetAdherenceRequest(**{**MARCH, **fields}), pb.AdherenceReport)


def test_results_are_told_by_program_and_person(world: Care, heard: Heard) -> None:
    program = active(world)
    id = heard()
    sent = replace(TOUCH, program_id=program.id, customer_id=id, state=TouchState.SENT, send_time=NOW)
    late, missed = replace(sent, send_time=NOW + 2 * DAY), replace(sent, state=TouchState.LAPSED)
    visit = replace(done(TaskOutcome.DONE, 0), customer_id=id)
    Adherence(world.store.adherence).count([(NOW, each) for each in (sent, sent, late, missed, visit)])
    Adherence(world.store.adherence).count([(NOW - 40 * DAY, sent)])
    found = report(world)
    assert [
        (each.program_id, each.owner, each.on_time_count, each.late_count, each.missed_count) for each in found.rows
    ] == [(program.id, "ada", 2, 1, 1), ("", "eve", 1, 0, 0)]
    assert found.total.on_time.value == pytest.approx(3 / 5)
    assert report(world, program_id=program.id).total.on_time_count == 2
    assert report(world, from_month="2026-01").total.on_time_count == 4


def test_a_task_that_somebody_does_is_counted_as_it_happens(world: Care, heard: Heard) -> None:
    plan = {"on_date": PLAN["on_date"], "minute": 540, "form": "FORM_VISIT", "task_days": 5}
    active(world, plan)
    heard()
    world.tick("sweeps")
    world.tick("planning")
    world.clock.at = NOW + DAY
    pulse(world)
    world.tick("tasks")
    [task] = world.call(touches_pb2.ListTasksRequest(), touches_pb2.ListTasksResponse).touches
    request: Any = {"touch_id": task.id, "outcome": "OUTCOME_DONE", "nothing_more": True}
    world.call(touches_pb2.CompleteTaskRequest(**request), touches_pb2.Touch)
    world.deliver()
    assert [(each.owner, each.on_time_count) for each in report(world).rows] == [("ada", 1)]


def test_the_map_shows_where_nobody_is_cared_for(world: Care, heard: Heard) -> None:
    program = active(world, {**PLAN, "tier": "TIER_A"})
    id = heard()
    ranked(world, id, "A")
    sent = replace(TOUCH, program_id=program.id, customer_id=id, state=TouchState.SENT, send_time=NOW)
    Adherence(world.store.adherence).count([(NOW, sent)])
    found = world.call(pb.GetCoverageMapRequest(**MARCH), pb.CoverageMap)
    cared = [each for each in found.cells if each.program_count]
    assert [(each.phase, each.tier, each.touch_count) for each in cared] == [(programs_pb2.PHASE_AFTER_SALE, "A", 1)]
    assert (len(found.cells), len(found.gaps)) == (16, 15)


@pytest.mark.parametrize("to_month", ["2026-02", "2029-03"])
def test_months_stand_in_their_order_and_are_three_years_at_most(world: Care, to_month: str) -> None:
    with pytest.raises(DomainError) as refused:
        report(world, to_month=to_month)
    assert "to_month" in str(refused.value)


def reviews(world: Care, filter: str = "") -> list[pb.PolicyReview]:
    return list(world.call(pb.ListPolicyReviewsRequest(filter=filter), pb.ListPolicyReviewsResponse).reviews)


def test_rules_that_nobody_reviewed_in_time_are_overdue_once(world: Care) -> None:
    day: Any = {"year": 2026, "month": 3, "day": 10}
    program = active(world, review_date=day)
    told: Any = {"id": identity.new_id("tpl"), "name": "ABC", "review_date": {"year": 2026, "month": 3, "day": 5}}
    world.hear(profiles.TierPolicyCreated(tier_policy=tiers_pb2.TierPolicy(**told)), entity_id=told["id"])
    world.clock.at = NOW + 8 * DAY
    world.tick("reviews")
    assert reviews(world, "overdue = true")[0].display_name == "ABC"
    assert [each.overdue for each in reviews(world)] == [True, False]
    world.clock.at = NOW + 20 * DAY
    world.tick("reviews")
    world.tick("reviews")
    assert [each.kind for each in reviews(world, "overdue = true")] == [
        pb.POLICY_KIND_TIER_POLICY,
        pb.POLICY_KIND_PROGRAM,
    ]
    assert world.events().count("policy_review.overdue") == 2
    later: Any = {"year": 2027, "month": 3, "day": 5}
    world.hear(
        profiles.TierPolicyCreated(tier_policy=tiers_pb2.TierPolicy(**{**told, "review_date": later})),
        entity_id=identity.new_id("tpl"),
    )
    world.call(programs_pb2.RetireProgramRequest(program_id=program.id), programs_pb2.Program)
    world.deliver()
    assert reviews(world, "overdue = true") == []
