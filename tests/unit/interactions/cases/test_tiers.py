"""Tiers of customers, as the profiles service tells them, and the clocks that follow."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

from kehu.interactions.v1 import cases_pb2 as pb
from kehu.interactions.v1 import clocks_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis import identity
from tests.unit.interactions.cases.conftest import NOW, Desk, Opened, created

HOUR = timedelta(hours=1)
HOURS = {"": 8, "A": 4}
"""Tier → hours of the office within which a case is to be resolved."""


def promoted(desk: Desk, customer_id: str, tier: str, *, revision: int = 1) -> None:
    told: Any = profiles.TierChanged()
    told.tier_assignment.customer_id = customer_id
    told.tier_assignment.tier = f"TIER_{tier}"
    desk.hear(told, entity_id=f"tier_{customer_id[4:]}", revision=revision)


def limited(desk: Desk, office: Any) -> clocks_pb2.ServicePolicy:
    targets: list[Any] = [
        {"metric": "SERVICE_METRIC_RESOLUTION", "tier": tier, "work": hours * HOUR} for tier, hours in HOURS.items()
    ]
    return created(desk, office.id, targets, display_name="By tier")


def due(desk: Desk, case_id: str) -> Any:
    from kehu.interactions.v1 import sla_pb2

    told = desk.call(sla_pb2.ExplainClocksRequest(case_id=case_id), sla_pb2.ExplainClocksResponse)
    return told.clocks[0].clock.due_time.ToDatetime(UTC)


def opened_for(desk: Desk, policy: clocks_pb2.ServicePolicy, customer_id: str, **fields: Any) -> pb.Case:
    case = pb.Case(subject="No invoice", type=pb.CASE_TYPE_REQUEST, customer_id=customer_id)
    return desk.call(pb.CreateCaseRequest(case=case, owner="ann", policy_id=policy.id, **fields), pb.Case)


def test_open_cases_are_counted_with_the_targets_of_the_new_tier(desk: Desk, office: Any) -> None:
    policy, customer_id = limited(desk, office), identity.new_id("cus")
    case, done = (opened_for(desk, policy, customer_id) for _ in range(2))
    desk.call(pb.CancelCaseRequest(case_id=done.id, reason=pb.CANCEL_REASON_SPAM), pb.Case)
    other = opened_for(desk, policy, identity.new_id("cus"))
    assert due(desk, case.id) == NOW + 8 * HOUR
    desk.clock.advance(HOUR)
    promoted(desk, customer_id, "A")
    assert due(desk, case.id) == NOW + 4 * HOUR, "the target counts from the start"
    assert due(desk, other.id) == NOW + 8 * HOUR
    tiers = {each: desk.call(pb.GetCaseRequest(case_id=each), pb.Case).clocks.tier for each in (case.id, done.id)}
    assert tiers == {case.id: "A", done.id: ""}
    before = desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case)
    promoted(desk, customer_id, "A", revision=2)
    assert desk.call(pb.GetCaseRequest(case_id=case.id), pb.Case).revision == before.revision


def test_a_new_case_has_the_tier_of_its_customer_unless_somebody_says_another(desk: Desk, office: Any) -> None:
    policy, customer_id = limited(desk, office), identity.new_id("cus")
    promoted(desk, customer_id, "A")
    assert due(desk, opened_for(desk, policy, customer_id).id) == NOW + 4 * HOUR
    assert due(desk, opened_for(desk, policy, customer_id, tier="C").id) == NOW + 8 * HOUR


def test_a_tier_that_is_heard_before_its_customer_stays(desk: Desk, opened: Opened) -> None:
    customer_id = identity.new_id("cus")
    promoted(desk, customer_id, "A")
    told: Any = profiles.CustomerCreated()
    told.customer.id = customer_id
    desk.hear(told, entity_id=customer_id)
    assert opened(customer_id=customer_id).clocks.tier == "A"
