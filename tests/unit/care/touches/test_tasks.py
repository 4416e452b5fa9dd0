"""Tasks of persons: with an owner, an outcome and a need."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from kehu.care.v1 import touches_pb2 as pb

from libs.chassis.domain import DomainError
from tests.unit.care.conftest import Care, Heard, Provider, active
from tests.unit.care.sending import BIRTHDAY, fire, go, planned, touches

VISIT = {"on_date": {"kind": "KIND_BIRTH"}, "minute": 540, "form": "FORM_VISIT", "task_days": 3}


def test_a_visit_is_a_task_with_an_owner_an_outcome_and_a_need(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, VISIT)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    mine = world.call(pb.ListTasksRequest(), pb.ListTasksResponse)
    [task] = mine.touches
    assert (task.task.assignee, task.task.due_time.ToDatetime(UTC)) == ("ada", BIRTHDAY + timedelta(days=3))
    done = pb.CompleteTaskRequest(touch_id=task.id, outcome="OUTCOME_DONE", note="She was glad")
    with pytest.raises(DomainError) as refused:
        world.call(done, pb.Touch)
    assert refused.value.reason_code == "NEED_NOT_ASKED"
    done.more = "A larger garden chair"
    ended = world.call(done, pb.Touch)
    assert ended.state == pb.Touch.STATE_RESPONDED
    assert world.events()[-2:] == ["touch.responded", "need.captured"]
    assert not world.call(pb.ListTasksRequest(), pb.ListTasksResponse).touches


def test_a_task_is_handed_on_and_ends_without_success(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, VISIT)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    [touch] = touches(world)
    world.call(pb.AssignTaskRequest(touch_id=touch.id, assignee="bob"), pb.Touch)
    assert len(world.call(pb.ListTasksRequest(assignee="bob"), pb.ListTasksResponse).touches) == 1
    ended = world.call(pb.CompleteTaskRequest(touch_id=touch.id, outcome="OUTCOME_NOT_REACHED"), pb.Touch)
    assert ended.state == pb.Touch.STATE_FAILED
    with pytest.raises(DomainError) as refused:
        world.call(pb.AssignTaskRequest(touch_id=touch.id, assignee="eve"), pb.Touch)
    assert refused.value.reason_code == "TOUCH_STATE_FORBIDS"
