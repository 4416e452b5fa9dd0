"""Long work that is started again when its time has come, once for each time, and for every tenant."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kehu.profiles.v1.lifecycles_pb2 import EvaluateLifecyclesRequest
from kehu.profiles.v1.ownership_policies_pb2 import (
    CreateOwnershipPolicyRequest,
    OwnershipPolicy,
    RunOwnershipPolicyRequest,
)
from kehu.profiles.v1.schedules_pb2 import GetSchedulesRequest

from libs.chassis.identity import FixedClock
from libs.chassis.operations import Operation, OperationState
from libs.engine.run.claims import Claims
from services.profiles.api import servicers
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import timers
from tests.support.servicers import Methods
from tests.support.timers import tick
from tests.unit.profiles.builders import NOW
from tests.unit.profiles.conftest import As
from tests.unit.profiles.test_doors import CALL, no_history

DAY = timedelta(days=1)


@pytest.fixture
def servicer(store: ProfilesStore) -> Methods:
    return Methods(servicers(store, no_history))


def look(store: ProfilesStore) -> int:
    return tick(store.database, timers(store), "schedules")


def end_all(store: ProfilesStore) -> int:
    """Ends the operations at work. How many there were."""
    count = 0
    while (found := Claims(store.database).waiting()) is not None:
        _, operation = found
        claims = Claims(store.database)
        claims.change(claims.claim(operation.id, "worker"), _succeeded)
        count += 1
    return count


def _succeeded(operation: Operation) -> Operation:
    return operation.ended(OperationState.SUCCEEDED, NOW)


def test_what_is_planned_is_started_once_for_each_time_and_missed_times_are_not_made_up_for(
    store: ProfilesStore, servicer: Methods, clock: FixedClock
) -> None:
    asked = EvaluateLifecyclesRequest(floor_days=40, every_days=7)
    servicer.EvaluateLifecycles(asked, CALL)
    assert end_all(store) == 1
    [planned] = servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules
    assert (planned.kind, planned.every_days, planned.planned_by) == ("evaluate_lifecycles", 7, "ada")
    assert look(store) == 0
    clock.advance(7 * DAY)
    assert (look(store), look(store)) == (1, 0)
    found = Claims(store.database).waiting()
    assert found
    again = EvaluateLifecyclesRequest.FromString(_any(found[1].request))
    assert (again.floor_days, again.HasField("every_days"), found[1].started_by) == (40, False, "service:profiles")
    clock.advance(30 * DAY)  # it is still at work, and four times went by
    assert (look(store), end_all(store), look(store)) == (1, 1, 0)
    [planned] = servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules
    assert planned.next_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW + 42 * DAY


def test_a_request_without_a_word_leaves_the_plan_and_0_ends_it(
    store: ProfilesStore, servicer: Methods, clock: FixedClock
) -> None:
    servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(every_days=1), CALL)
    end_all(store)
    servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(), CALL)
    end_all(store)
    assert len(servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules) == 1
    servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(every_days=0), CALL)
    end_all(store)
    clock.advance(9 * DAY)
    assert (len(servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules), look(store)) == (0, 0)


def test_each_tenant_has_its_own_policy_run(
    store: ProfilesStore, servicer: Methods, clock: FixedClock, acting: As
) -> None:
    with acting(tenant="other"):
        servicer.CreateOwnershipPolicy(CreateOwnershipPolicyRequest(ownership_policy=OwnershipPolicy(note="x")), CALL)
        servicer.RunOwnershipPolicy(RunOwnershipPolicyRequest(every_days=1), CALL)
        assert len(servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules) == 1
    servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(every_days=1), CALL)
    clock.advance(DAY)
    assert look(store) == 2
    with acting(tenant="other"):
        [planned] = servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules
        assert planned.kind == "run_ownership_policy"


def _any(packed: bytes) -> bytes:
    from google.protobuf.any_pb2 import Any

    return Any.FromString(packed).value


def test_a_repeated_request_revives_no_plan_that_was_ended_meanwhile(
    store: ProfilesStore, servicer: Methods, acting: As
) -> None:
    with acting(request_id="plan-1"):
        first = servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(every_days=7), CALL)
    end_all(store)
    with acting(request_id="plan-2"):
        servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(every_days=0), CALL)
    end_all(store)
    with acting(request_id="plan-1"):
        again = servicer.EvaluateLifecycles(EvaluateLifecyclesRequest(every_days=7), CALL)
    assert again.id == first.id
    assert len(servicer.GetSchedules(GetSchedulesRequest(), CALL).schedules) == 0
