"""The doors of segments, owners, entitlements and the whole view: calls and events in the words of the protos."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2
from kehu.profiles.v1 import (
    consent_pb2,
    contracts_pb2,
    customer360_pb2,
    customer_pb2,
    entitlements_pb2,
    facts_pb2,
    owners_pb2,
    ownership_pb2,
    ownership_policies_pb2,
    relationships_pb2,
    segments_pb2,
)
from kehu.profiles.v1 import customers_pb2 as pb
from kehu.profiles.v1 import events_pb2 as events

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.inbox import Received, Subscription, event_type
from libs.chassis.operations import OperationKind
from libs.chassis.paging import Page
from libs.chassis.testing import MemoryJob
from libs.engine.inbox.decoding import decode
from libs.engine.store.memory import MemoryDatabase
from services.profiles.api import servicers
from services.profiles.operations import operations
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import subscriptions
from tests.support.servicers import Methods
from tests.unit.profiles.builders import NOW
from tests.unit.profiles.conftest import As

CALL = cast(Any, None)
"""Servicers of ours never look at grpc's context."""
ADA = customer_pb2.Customer(
    kind="KIND_PERSON", names=[customer_pb2.PersonName(given="Ada", family="Lovelace")], owner="bob"
)


def no_history(entity_id: str, *, size: int, token: str = "") -> Page[Received]:
    return Page([], "")


@pytest.fixture
def servicer(store: ProfilesStore) -> Methods:
    return Methods(servicers(store, no_history))


@pytest.fixture
def ada_id(servicer: Methods) -> str:
    return servicer.CreateCustomer(pb.CreateCustomerRequest(customer=ADA), CALL).id


def deliver(store: ProfilesStore, database: MemoryDatabase, seen: int = 0) -> int:
    """Hand every event after those seen to the subscriptions that listen to it. How many there are now."""
    waiting = database.events()
    for subscription in subscriptions(store):
        theirs = [_received(subscription, event) for event in waiting[seen:] if event.type in subscription.types]
        if theirs:
            subscription.handle(theirs)
    return len(waiting)


def _received(subscription: Subscription, event: Any) -> Received:
    return decode(subscription, event.SerializeToString())


def run(store: ProfilesStore, kind: str, request: Any) -> Any:
    """What an operation of this kind comes to."""
    asked = next(each for each in operations(store) if each.name == kind)
    packed = AnyMessage()
    packed.Pack(request)
    job = MemoryJob(asked.asked(packed.SerializeToString()), asked.state())
    return _unpacked(asked.told(asked.run(job)), asked)


def _unpacked(packed: bytes, kind: OperationKind[Any, Any]) -> Any:
    assert kind.result is not None
    result = kind.result()
    assert AnyMessage.FromString(packed).Unpack(result)
    return result


# --------------------------------------------------------------------------------------------------- segments


def test_a_segment_from_its_definition_to_its_members(
    store: ProfilesStore, database: MemoryDatabase, servicer: Methods, ada_id: str
) -> None:
    draft = segments_pb2.Segment(key="bobs", filter="owner = bob", display_name="Bob's")
    defined = servicer.DefineSegment(segments_pb2.DefineSegmentRequest(segment=draft), CALL)
    assert (defined.version, defined.versions[0].author) == (1, "ada")
    assert defined.versions[0].define_time.ToDatetime() == NOW.replace(tzinfo=None)
    deliver(store, database)
    page = servicer.ListSegmentMembers(segments_pb2.ListSegmentMembersRequest(segment="bobs"), CALL)
    (membership,) = page.memberships
    assert (membership.customer_id, membership.state) == (ada_id, segments_pb2.SegmentMembership.STATE_MEMBER)
    assert (membership.reasons[0].clause, membership.reasons[0].value) == ("owner = bob", "bob")
    asked = segments_pb2.ListCustomerSegmentsRequest(customer_id=ada_id)
    assert servicer.ListCustomerSegments(asked, CALL).memberships[0] == membership
    entered = next(each for each in database.events() if each.type == event_type(events.SegmentEntered))
    assert events.SegmentEntered.FromString(entered.data).membership == membership

    operation = servicer.EvaluateSegments(segments_pb2.EvaluateSegmentsRequest(), CALL)
    assert operation.kind == "evaluate_segments"
    with pytest.raises(FailedPrecondition, match=operation.id):
        servicer.EvaluateSegments(segments_pb2.EvaluateSegmentsRequest(), CALL)
    result = run(store, "evaluate_segments", segments_pb2.EvaluateSegmentsRequest())
    assert result == segments_pb2.EvaluateSegmentsResult(customer_count=1, segment_count=1)
    (listed,) = servicer.ListSegments(segments_pb2.ListSegmentsRequest(), CALL).segments
    assert (listed.evaluated_version, listed.member_count) == (1, 1)
    retired = servicer.RetireSegment(segments_pb2.RetireSegmentRequest(segment="bobs"), CALL)
    assert retired.state == segments_pb2.Segment.STATE_RETIRED
    assert servicer.GetSegment(segments_pb2.GetSegmentRequest(segment=defined.id), CALL) == retired


def test_a_segment_is_refused_where_the_caller_wrote_it(servicer: Methods) -> None:
    draft = segments_pb2.Segment(key="bobs", filter="shoe_size = 40")
    with pytest.raises(InvalidArgument) as refused:
        servicer.DefineSegment(segments_pb2.DefineSegmentRequest(segment=draft), CALL)
    assert refused.value.reason_code == "NOT_INDEXED"
    assert [violation.field for violation in refused.value.violations] == ["segment.filter"]


def test_a_filter_is_tried(servicer: Methods, ada_id: str) -> None:
    found = servicer.PreviewSegment(segments_pb2.PreviewSegmentRequest(filter="owner = bob"), CALL)
    assert (found.examined_count, found.matched_count, found.verdicts[0].display_name) == (1, 1, "Ada Lovelace")
    asked = segments_pb2.PreviewSegmentRequest(filter="owner = eve", customer_ids=[ada_id])
    (verdict,) = servicer.PreviewSegment(asked, CALL).verdicts
    assert (verdict.matches, verdict.reasons[0].clause, verdict.reasons[0].value) == (False, "owner = eve", "bob")


# -------------------------------------------------------------------------------------------------- ownership


def test_an_owner_told_by_the_customer_and_taken_by_the_policy(
    store: ProfilesStore, database: MemoryDatabase, servicer: Methods, ada_id: str, clock: FixedClock
) -> None:
    deliver(store, database)
    owned = servicer.GetOwnership(ownership_pb2.GetOwnershipRequest(customer_id=ada_id), CALL)
    assert (owned.owner, owned.reason) == ("bob", owners_pb2.Ownership.REASON_EDITED)
    draft = ownership_policies_pb2.OwnershipPolicy(recycle_rules=[{"contact_days": 30, "contract_days": 0}], capacity=1)
    request = ownership_policies_pb2.CreateOwnershipPolicyRequest(ownership_policy=draft)
    created = servicer.CreateOwnershipPolicy(request, CALL)
    assert servicer.GetOwnershipPolicy(ownership_policies_pb2.GetOwnershipPolicyRequest(), CALL) == created
    assert servicer.ListOwnershipPolicies(
        ownership_policies_pb2.ListOwnershipPoliciesRequest(), CALL
    ).ownership_policies == [created]

    contract = contracts_pb2.Contract(customer_id=ada_id, number="7", plan="gold")
    contract.valid_from_date.year, contract.valid_from_date.month, contract.valid_from_date.day = 2026, 1, 1
    added = servicer.AddContract(contracts_pb2.AddContractRequest(contract=contract), CALL)
    ask = ownership_policies_pb2.ExplainOwnershipRequest(customer_id=ada_id)
    clock.advance(timedelta(days=31))
    assert servicer.ExplainOwnership(ask, CALL).outcome == ownership_policies_pb2.OwnershipDecision.OUTCOME_KEPT
    ended = servicer.EndContract(contracts_pb2.EndContractRequest(contract_id=added.id), CALL)
    assert servicer.ListContracts(contracts_pb2.ListContractsRequest(customer_id=ada_id), CALL).contracts == [ended]
    clock.advance(timedelta(days=1))

    hold = ownership_pb2.PlaceOwnershipHoldRequest(customer_id=ada_id, key="negotiation", reason="offer of 3 May")
    assert servicer.PlaceOwnershipHold(hold, CALL).holds[0].actor == "ada"
    assert (
        servicer.RunOwnershipPolicy(ownership_policies_pb2.RunOwnershipPolicyRequest(), CALL).kind
        == "run_ownership_policy"
    )
    (held,) = run(store, "run_ownership_policy", ownership_policies_pb2.RunOwnershipPolicyRequest()).decisions
    assert (held.customer_id, held.outcome) == (ada_id, ownership_policies_pb2.OwnershipDecision.OUTCOME_HELD)
    servicer.LiftOwnershipHold(ownership_pb2.LiftOwnershipHoldRequest(customer_id=ada_id, key="negotiation"), CALL)
    tried = run(store, "run_ownership_policy", ownership_policies_pb2.RunOwnershipPolicyRequest(validate_only=True))
    assert (tried.validate_only, tried.customer_count, tried.counts[0].customer_count) == (True, 1, 1)
    done = run(store, "run_ownership_policy", ownership_policies_pb2.RunOwnershipPolicyRequest())
    assert (done.decisions, done.counts) == (tried.decisions, tried.counts)
    assert done.decisions[0].reason == owners_pb2.Ownership.REASON_CONTRACT_ENDED

    (entry,) = servicer.ListPool(ownership_pb2.ListPoolRequest(), CALL).entries
    assert (entry.display_name, entry.ownership.previous_owner, list(entry.blocks)) == ("Ada Lovelace", "bob", [])
    claimed = servicer.ClaimCustomer(ownership_pb2.ClaimCustomerRequest(customer_id=ada_id), CALL)
    assert claimed.owner == servicer.GetCustomer(pb.GetCustomerRequest(customer_id=ada_id), CALL).owner == "ada"
    load = servicer.GetOwnerLoad(ownership_pb2.GetOwnerLoadRequest(), CALL)
    assert (load.customer_count, load.capacity, load.pick_count, load.HasField("daily_limit")) == (1, 1, 1, False)
    servicer.ReleaseCustomer(ownership_pb2.ReleaseCustomerRequest(customer_id=ada_id), CALL)
    servicer.AssignOwner(ownership_pb2.AssignOwnerRequest(customer_id=ada_id, owner="eve"), CALL)
    page = servicer.ListOwnerIntervals(ownership_pb2.ListOwnerIntervalsRequest(customer_id=ada_id), CALL)
    assert {each.owner for each in page.intervals} == {"bob", "ada", "eve"}


def test_without_a_policy_there_is_nothing_to_run(servicer: Methods) -> None:
    with pytest.raises(NotFound):
        servicer.RunOwnershipPolicy(ownership_policies_pb2.RunOwnershipPolicyRequest(), CALL)


# ------------------------------------------------------------------------------------------------ entitlements


def test_an_entitlement_from_its_creation_to_the_customer(servicer: Methods, ada_id: str) -> None:
    draft = entitlements_pb2.Entitlement(benefit="visit", basis="BASIS_EVERYBODY", allowance=0, period="PERIOD_YEAR")
    draft.valid_from_date.year, draft.valid_from_date.month, draft.valid_from_date.day = 2026, 1, 1
    created = servicer.CreateEntitlement(entitlements_pb2.CreateEntitlementRequest(entitlement=draft), CALL)
    assert (created.author, created.HasField("allowance")) == ("ada", True)
    asked = entitlements_pb2.GetEntitlementsRequest(customer_id=ada_id)
    (benefit,) = servicer.GetEntitlements(asked, CALL).benefits
    assert (benefit.entitlement_id, benefit.allowance, benefit.period_to_date.month) == (created.id, 0, 12)
    ending = entitlements_pb2.EndEntitlementRequest(entitlement_id=created.id)
    ending.end_date.year, ending.end_date.month, ending.end_date.day = 2026, 5, 3
    ended = servicer.EndEntitlement(ending, CALL)
    assert servicer.GetEntitlements(asked, CALL).benefits == []
    asked.on_date.CopyFrom(ending.end_date)
    assert len(servicer.GetEntitlements(asked, CALL).benefits) == 1
    listed = entitlements_pb2.ListEntitlementsRequest(filter="benefit = visit")
    assert servicer.ListEntitlements(listed, CALL).entitlements == [ended]
    with pytest.raises(InvalidArgument) as refused:
        servicer.CreateEntitlement(
            entitlements_pb2.CreateEntitlementRequest(entitlement=entitlements_pb2.Entitlement(benefit="visit")), CALL
        )
    assert refused.value.violations[0].field == "entitlement.basis"


# -------------------------------------------------------------------------------------------- the whole view


def view(servicer: Methods, customer_id: str, *sections: str) -> customer360_pb2.Customer360:
    request = customer360_pb2.GetCustomer360Request(customer_id=customer_id, sections=sections)
    request.section_timeout.FromSeconds(20)
    return servicer.GetCustomer360(request, CALL)


def partial_of(shown: customer360_pb2.Customer360) -> dict[str, int]:
    section = customer360_pb2.Customer360.Section
    return {section.Name(each.section): each.error.code for each in shown.partial_sections}


def test_a_view_has_every_section(
    store: ProfilesStore, database: MemoryDatabase, servicer: Methods, ada_id: str, acting: As
) -> None:
    bob_id = servicer.CreateCustomer(pb.CreateCustomerRequest(customer=ADA), CALL).id
    for left, right in ((ada_id, bob_id), (bob_id, ada_id)):
        referral = relationships_pb2.Relationship(from_customer_id=left, to_customer_id=right, type="TYPE_REFERRED_BY")
        servicer.AddRelationship(relationships_pb2.AddRelationshipRequest(relationship=referral), CALL)
    fact = facts_pb2.PersonalFact(customer_id=ada_id, topic="TOPIC_INTEREST", text="choir")
    servicer.RecordFact(facts_pb2.RecordFactRequest(fact=fact), CALL)
    refusal = consent_pb2.WithdrawConsentRequest(
        customer_id=ada_id, purpose="PURPOSE_CARE", capture="CAPTURE_STAFF_ENTRY"
    )
    servicer.WithdrawConsent(refusal, CALL)
    segment = segments_pb2.Segment(key="bobs", filter="owner = bob")
    servicer.DefineSegment(segments_pb2.DefineSegmentRequest(segment=segment), CALL)
    deliver(store, database)
    with acting(scopes={"*"}):
        shown = view(servicer, ada_id)
    assert partial_of(shown) == {"SECTION_INTERACTIONS": code_pb2.FAILED_PRECONDITION}, "no process serves here"
    assert (shown.customer.id, shown.ownership.owner, shown.segments[0].segment_key) == (ada_id, "bob", "bobs")
    assert {each.from_customer_id for each in shown.relationships} == {ada_id, bob_id}
    assert (shown.facts[0].text, shown.consent_receipts[0].sequence) == ("choir", 1)
    assert shown.transaction_summary.customer_id == shown.contact_habits.customer_id == ada_id
    assert shown.entitlements.customer_id == ada_id
    assert not shown.HasField("tier_standing")


def test_a_view_leaves_out_what_the_caller_may_not_see_and_what_is_broken(
    store: ProfilesStore, servicer: Methods, ada_id: str, acting: As
) -> None:
    fact = facts_pb2.PersonalFact(customer_id=ada_id, topic="TOPIC_INTEREST", text="choir")
    servicer.RecordFact(facts_pb2.RecordFactRequest(fact=fact), CALL)
    (document,) = cast(Any, store.activity.facts).documents.values()
    document["topic"] = {"NO_SUCH": "TOPIC"}
    with acting(scopes={"profiles.customers.read", "profiles.facts.read"}):
        shown = view(servicer, ada_id, "SECTION_CUSTOMER", "SECTION_FACTS", "SECTION_OWNERSHIP")
    assert shown.customer.id == ada_id
    assert not shown.facts, "a fact that cannot be read takes nothing else away"
    assert partial_of(shown) == {
        "SECTION_OWNERSHIP": code_pb2.PERMISSION_DENIED,
    }
    assert "NO_SUCH" not in str(shown.partial_sections)


def test_a_view_of_nobody_is_not_found(servicer: Methods, acting: As) -> None:
    with acting(scopes={"*"}), pytest.raises(NotFound):
        view(servicer, "cus_0", "SECTION_WORTH")
