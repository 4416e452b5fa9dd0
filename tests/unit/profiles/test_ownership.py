"""Ownership: assigning, releasing, claiming, following the customer, and runs of the policy."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, cast

import pytest
from kehu.common.v1.envelope_pb2 import Envelope
from kehu.opportunities.v1 import deals_pb2
from kehu.opportunities.v1 import events_pb2 as opportunities

from libs.chassis import identity
from libs.chassis.domain import AlreadyExists, Conflict, FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.inbox import event_type
from libs.chassis.operations import Stopped
from libs.chassis.paging import PageRequest
from libs.chassis.store import RequestIdReused
from libs.chassis.testing import MemoryJob
from libs.engine.inbox.decoding import received
from libs.engine.store.memory import MemoryDatabase
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.domain.habits import Contact, Direction
from services.profiles.contracts.application import Contracts
from services.profiles.contracts.domain import Contract, last_day
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.customers import Customer
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OutcomeCount, OwnershipPolicies, RunProgress, RunRequest
from services.profiles.ownership.domain.ownership import Hold, OwnershipReason, OwnershipState
from services.profiles.ownership.domain.policies import Capacity, Outcome, OwnershipPolicy, PickRule, RecycleRule
from services.profiles.ownership.subscriptions import subscriptions
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from tests.unit.profiles.builders import NOW, person
from tests.unit.profiles.conftest import As

DAY = timedelta(days=1)


@pytest.fixture
def ownerships(store: ProfilesStore) -> Ownerships:
    return Ownerships(store.ownership)


@pytest.fixture
def policies(store: ProfilesStore) -> OwnershipPolicies:
    return OwnershipPolicies(store.ownership)


@pytest.fixture
def ada(store: ProfilesStore) -> Customer:
    return Customers(store.customers).create(person(id=""))


def asked(*, validate_only: bool = False, **options: Any) -> MemoryJob[RunRequest, RunProgress]:
    return MemoryJob(RunRequest(validate_only=validate_only), RunProgress(), **options)


def assign(ownerships: Ownerships, customer: Customer, owner: str, **fields: Any) -> Any:
    return ownerships.assign(
        customer.id,
        owner,
        fields.get("note", ""),
        fields.get("revision", 0),
        exceed_capacity=fields.get("exceed", False),
    )


def history(ownerships: Ownerships, customer: Customer) -> list[tuple[str, str, str]]:
    page = ownerships.intervals(customer.id, PageRequest())
    return [(each.owner, each.start_reason, each.end_reason or "") for each in page.items]


def rules(policies: OwnershipPolicies, *recycle: RecycleRule, **fields: Any) -> OwnershipPolicy:
    return policies.create(OwnershipPolicy(id="", recycle_rules=recycle, **fields))


# ---------------------------------------------------------------------------------------------------- changing


def test_an_owner_is_kept_with_the_customer_the_history_and_the_tallies(
    ownerships: Ownerships, store: ProfilesStore, database: MemoryDatabase, clock: FixedClock, ada: Customer
) -> None:
    assert ownerships.get(ada.id).state is OwnershipState.UNOWNED
    assign(ownerships, ada, "bob", note="from the fair")
    clock.advance(DAY)
    second = assign(ownerships, ada, "eve")
    assert (second.owner, second.previous_owner, second.since_time) == ("eve", "bob", NOW + DAY)
    assert store.customers.customers.get(ada.id).owner == "eve"
    assert history(ownerships, ada) == [("eve", "ASSIGNED", ""), ("bob", "ASSIGNED", "ASSIGNED")]
    first = ownerships.intervals(ada.id, PageRequest()).items[1]
    assert (first.start_note, first.end_time, first.end_actor) == ("from the fair", NOW + DAY, "ada")
    assert [ownerships.load(owner).customer_count for owner in ("bob", "eve")] == [0, 1]
    assert assign(ownerships, ada, "eve") == second
    told = [event for event in database.events() if event.type == "kehu.profiles.ownership.changed.v1"]
    assert [event.revision for event in told] == [1, 2]


def test_a_repeat_changes_nothing(ownerships: Ownerships, ada: Customer, acting: As) -> None:
    assign(ownerships, ada, "bob")
    with acting(request_id="1", of=b"x"):
        moved = assign(ownerships, ada, "eve")
    assign(ownerships, ada, "zoe")
    with acting(request_id="1", of=b"x"):
        assert assign(ownerships, ada, "eve").owner == "zoe"
    with acting(request_id="1", of=b"y"), pytest.raises(RequestIdReused):
        assign(ownerships, ada, "eve")
    assert moved.revision == 2
    assert len(history(ownerships, ada)) == 3


def test_what_is_stale_or_gone_is_refused(ownerships: Ownerships, store: ProfilesStore, ada: Customer) -> None:
    assign(ownerships, ada, "bob")
    with pytest.raises(Conflict):
        assign(ownerships, ada, "eve", revision=7)
    with pytest.raises(NotFound):
        ownerships.get("cus_0")
    with pytest.raises(InvalidArgument, match="control characters"):
        assign(ownerships, ada, "e\x07ve")
    Customers(store.customers).delete(ada.id, 0)
    with pytest.raises(FailedPrecondition, match="is deleted"):
        assign(ownerships, ada, "eve")


def test_capacity_can_be_exceeded_on_purpose_only(
    ownerships: Ownerships, store: ProfilesStore, ada: Customer, policies: OwnershipPolicies
) -> None:
    rules(policies, capacity=1)
    bob = Customers(store.customers).create(person(id=""))
    assign(ownerships, ada, "eve")
    with pytest.raises(FailedPrecondition, match="eve has 1 customers, 1 are allowed") as refused:
        assign(ownerships, bob, "eve")
    assert refused.value.metadata["blocks"] == "CAPACITY"
    assert assign(ownerships, bob, "eve", exceed=True).owner == "eve"
    assert assign(ownerships, ada, "eve").owner == "eve"
    load = ownerships.load("eve")
    assert (load.customer_count, load.capacity, load.daily_limit) == (2, 1, None)


def test_from_hand_to_pool_to_hand(
    ownerships: Ownerships,
    store: ProfilesStore,
    clock: FixedClock,
    ada: Customer,
    acting: As,
) -> None:
    rules(OwnershipPolicies(store.ownership), pick_rules=(PickRule(cooldown_days=30),), daily_limit=1)
    assign(ownerships, ada, "bob")
    released = ownerships.release(ada.id, "too far away", 0)
    assert (released.state, released.owner, released.pool_time) == (OwnershipState.POOLED, "", NOW)
    assert ownerships.release(ada.id, "", 0) == released
    assert store.customers.customers.get(ada.id).owner == ""
    clock.advance(DAY)
    with acting("bob"):
        (entry,) = ownerships.pool(PageRequest()).items
        assert [block.reason for block in entry.blocks] == ["COOLDOWN"]
        with pytest.raises(FailedPrecondition, match="bob had the customer until 2026-05-04"):
            ownerships.claim(ada.id)
    with acting("eve"):
        (entry,) = ownerships.pool(PageRequest()).items
        assert (entry.display_name, entry.blocks) == ("Ada Lovelace", ())
        assert ownerships.claim(ada.id).owner == "eve"
        assert ownerships.load("").pick_count == 1
        other = Customers(store.customers).create(person(id=""))
        ownerships.release(other.id, "", 0)
        with pytest.raises(FailedPrecondition, match="1 customers were taken on 2026-05-05"):
            ownerships.claim(other.id)
        clock.advance(DAY)
        assert ownerships.load("").pick_count == 0
        ownerships.claim(other.id)
    with acting("zoe"), pytest.raises(FailedPrecondition, match="the customer belongs to eve"):
        ownerships.claim(ada.id)
    assert history(ownerships, ada) == [("eve", "CLAIMED", ""), ("bob", "ASSIGNED", "RELEASED")]


def test_a_claim_repeated_is_the_same_claim(ownerships: Ownerships, ada: Customer, acting: As) -> None:
    ownerships.release(ada.id, "", 0)
    for _ in range(2):
        with acting("eve", request_id="1", of=b"x"):
            assert ownerships.claim(ada.id).owner == "eve"
    assert ownerships.load("eve").pick_count == 1


# ------------------------------------------------------------------------------------------- following customers


def test_an_owner_written_into_the_customer_is_followed(
    ownerships: Ownerships, store: ProfilesStore, clock: FixedClock, ada: Customer
) -> None:
    def write(owner: str) -> None:
        clock.advance(DAY)
        Customers(store.customers).update(
            ada.id, lambda each: person(id=ada.id, owner=owner, lifecycle=each.lifecycle), 0
        )
        ownerships.follow([ada.id])
        ownerships.follow([ada.id])

    write("bob")
    write("eve")
    write("")
    assert history(ownerships, ada) == [("eve", "EDITED", "EDITED"), ("bob", "EDITED", "EDITED")]
    assert ownerships.get(ada.id).state is OwnershipState.UNOWNED
    assert ownerships.load("eve").customer_count == 0
    ownerships.release(ada.id, "", 0)
    ownerships.follow([ada.id])
    assert ownerships.get(ada.id).state is OwnershipState.POOLED


def test_the_deleted_leave_their_owner_and_the_pool_and_come_back_to_the_owner(
    ownerships: Ownerships, store: ProfilesStore, ada: Customer
) -> None:
    bob = Customers(store.customers).create(person(id=""))
    assign(ownerships, ada, "eve")
    ownerships.release(bob.id, "", 0)
    for customer in (ada, bob):
        Customers(store.customers).delete(customer.id, 0)
        ownerships.follow([customer.id])
        assert ownerships.get(customer.id).state is OwnershipState.UNOWNED
    assert ownerships.pool(PageRequest()).items == []
    assert ownerships.load("eve").customer_count == 0
    Customers(store.customers).undelete(ada.id, 0)
    ownerships.follow([ada.id])
    assert ownerships.get(ada.id).owner == "eve"


# --------------------------------------------------------------------------------------------- policy and runs


def test_versions_of_the_policy_follow_each_other(
    ownerships: Ownerships, acting: As, policies: OwnershipPolicies
) -> None:
    with pytest.raises(NotFound):
        policies.get(0)
    rules(policies, capacity=1)
    with acting("eve", request_id="1", of=b"x"):
        second = rules(policies, capacities=(Capacity(owner="bob"),))
    with acting("eve", request_id="1", of=b"x"):
        assert rules(policies, capacities=(Capacity(owner="bob"),)) == second
    assert (second.version, second.author, policies.get(0), policies.get(1).capacity) == (2, "eve", second, 1)
    assert [each.version for each in policies.list(PageRequest()).items] == [
        2,
        1,
    ]


def test_a_run_warns_recycles_and_tells_why_not(
    ownerships: Ownerships, store: ProfilesStore, clock: FixedClock, acting: As, policies: OwnershipPolicies
) -> None:
    rules(policies, RecycleRule(segment="vip"), RecycleRule(contact_days=30, contract_days=0, warn_days=7))
    Segments(store.segments).define(Segment(id="", key="vip", filter="labels.vip = yes"), 0, validate_only=False)
    labels = {"silent": {}, "vip": {"vip": "yes"}, "bound": {}, "held": {}, "busy": {}}
    people = {name: Customers(store.customers).create(person(id="", labels=each)) for name, each in labels.items()}
    Segments(store.segments).follow([each.id for each in people.values()], Source.CUSTOMER)
    for each in people.values():
        assign(ownerships, each, "bob")
    contract = Contract(
        id="", customer_id=people["bound"].id, number="7", plan="gold", valid_from_date=date(2026, 1, 1)
    )
    Contracts(store.contracts).add(contract)
    ownerships.hold(people["held"].id, Hold(key="negotiation", reason="offer of 3 May", actor=""))
    clock.advance(25 * DAY)
    call = Contact(id="int_1", occurred_time=NOW + 20 * DAY, channel=Channel.VOICE, direction=Direction.OUTBOUND)
    Habits(store.activity).learn([(people["busy"].id, call)])

    def outcomes(*, validate_only: bool) -> dict[str, str]:
        run = policies.run(asked(validate_only=validate_only))
        assert run.customer_count == 5
        names = {each.id: name for name, each in people.items()}
        return {names[each.customer_id]: str(each.outcome) for each in run.decisions}

    tried = outcomes(validate_only=True)
    assert tried == {"silent": "WARNED", "held": "HELD"}
    assert ownerships.get(people["silent"].id).state is OwnershipState.OWNED
    assert outcomes(validate_only=False) == tried
    warned = ownerships.get(people["silent"].id)
    assert (warned.state, warned.recycle_time) == (OwnershipState.RECYCLE_WARNED, NOW + 32 * DAY)
    clock.advance(7 * DAY)
    assert outcomes(validate_only=False) == {"silent": "RECYCLED", "held": "HELD"}
    pooled = ownerships.get(people["silent"].id)
    assert (pooled.state, pooled.reason) == (OwnershipState.POOLED, OwnershipReason.NO_CONTACT)
    interval = ownerships.intervals(people["silent"].id, PageRequest()).items[0]
    assert interval.end_reason is OwnershipReason.NO_CONTACT
    assert interval.end_note.startswith("owned since 2026-05-04 09:30 UTC without contact")
    assert ownerships.load("bob").customer_count == 4
    assert policies.explain(people["vip"].id).segment == "vip"
    assert policies.explain(people["bound"].id).explanation == "a contract without end runs"
    with pytest.raises(FailedPrecondition, match="Nobody answers"):
        policies.explain(people["silent"].id)


def test_a_deal_in_a_late_stage_keeps_its_customer_and_the_run_says_so(
    ownerships: Ownerships, store: ProfilesStore, clock: FixedClock, ada: Customer, policies: OwnershipPolicies
) -> None:
    """T-39. The projection follows the events of opportunities, in whatever order they come."""
    rules(policies, RecycleRule(contact_days=30))
    assign(ownerships, ada, "bob")
    clock.advance(40 * DAY)
    deal = identity.new_id("deal")
    [subscription] = [each for each in subscriptions(store.ownership) if each.name == "negotiations"]

    def hear(event: Any, revision: int, state: str, category: str) -> None:
        told = deals_pb2.Deal(id=deal, customer_id=ada.id, state=f"DEAL_STATE_{state}", category=category)
        envelope = Envelope(id=f"{deal}:{revision}", type=event_type(event), entity_id=deal, revision=revision)
        subscription.handle([received(envelope, event(deal=told))])

    hear(opportunities.DealStageChanged, 2, "OPEN", "FORECAST_CATEGORY_COMMIT")
    hear(opportunities.DealCreated, 1, "OPEN", "FORECAST_CATEGORY_PIPELINE")
    [kept] = policies.run(asked()).decisions
    assert kept.outcome is Outcome.HELD
    assert kept.explanation.endswith("but held by 1 deal in a late stage")
    hear(opportunities.DealLost, 3, "LOST", "FORECAST_CATEGORY_OMITTED")
    assert [each.outcome for each in policies.run(asked()).decisions] == [Outcome.RECYCLED]


def test_a_warning_is_withdrawn_when_there_was_a_contact(
    ownerships: Ownerships, store: ProfilesStore, clock: FixedClock, ada: Customer, policies: OwnershipPolicies
) -> None:
    rules(policies, RecycleRule(contact_days=30, warn_days=7))
    assign(ownerships, ada, "bob")
    clock.advance(25 * DAY)
    policies.run(asked())
    assert ownerships.get(ada.id).state is OwnershipState.RECYCLE_WARNED
    call = Contact(id="int_1", occurred_time=NOW + 25 * DAY, channel=Channel.VOICE, direction=Direction.OUTBOUND)
    Habits(store.activity).learn([(ada.id, call)])
    policies.run(asked())
    kept = ownerships.get(ada.id)
    assert (kept.state, kept.recycle_time, kept.since_time) == (OwnershipState.OWNED, None, NOW)


def test_holds_are_placed_replaced_and_lifted(ownerships: Ownerships, clock: FixedClock, ada: Customer) -> None:
    ownerships.hold(ada.id, Hold(key="talks", reason="a", actor="", until_time=NOW + DAY))
    ownerships.hold(ada.id, Hold(key="case", reason="c", actor="", until_time=NOW + 3 * DAY))
    (other, hold) = ownerships.hold(ada.id, Hold(key="talks", reason="b", actor="")).holds
    assert (other.key, hold.reason, hold.actor) == ("case", "b", "ada")
    clock.advance(3 * DAY)
    assert [each.key for each in ownerships.hold(ada.id, Hold(key="x", reason="y", actor="")).holds] == ["talks", "x"]
    assert [each.key for each in ownerships.lift(ada.id, "x").holds] == ["talks"]
    with pytest.raises(NotFound):
        ownerships.lift(ada.id, "x")
    with pytest.raises(InvalidArgument, match="in the past"):
        ownerships.hold(ada.id, Hold(key="x", reason="y", actor="", until_time=NOW))
    for n in range(19):
        ownerships.hold(ada.id, Hold(key=f"k{n}", reason="y", actor=""))
    with pytest.raises(FailedPrecondition, match="20 holds"):
        ownerships.hold(ada.id, Hold(key="one-more", reason="y", actor=""))


def test_a_killed_run_goes_on_and_tells_all(
    ownerships: Ownerships, store: ProfilesStore, clock: FixedClock, policies: OwnershipPolicies
) -> None:
    rules(policies, RecycleRule(contact_days=30))
    outcomes = Customers(store.customers).import_rows(
        [(str(n), lambda: person(id="", owner="bob")) for n in range(250)]
    )
    ownerships.follow([each.entity.id for each in outcomes if each.entity])
    clock.advance(31 * DAY)
    job = asked(stop=(1).__eq__)
    with pytest.raises(Stopped):
        policies.run(job)
    run = policies.run(MemoryJob(job.request, job.state))
    assert (run.customer_count, len(run.decisions)) == (250, 200)
    assert run.counts == (OutcomeCount(outcome=Outcome.RECYCLED, customer_count=250),)
    assert ownerships.load("bob").customer_count == 0
    assert len(ownerships.pool(PageRequest(size=500)).items) == 250


# --------------------------------------------------------------------------------------------------- contracts


def test_contracts_are_added_and_ended(store: ProfilesStore, ada: Customer) -> None:
    contracts = Contracts(store.contracts)
    draft = Contract(id="", customer_id=ada.id, number=" 7 ", plan="gold", valid_from_date=date(2026, 1, 1))
    added = contracts.add(draft)
    assert (added.number, last_day([added]), added.runs_on(date(2025, 12, 31))) == ("7", None, False)
    with pytest.raises(AlreadyExists, match="another contract has this number"):
        contracts.add(draft)
    ended = contracts.end(added.id, None, 1)
    assert (ended.valid_to_date, ended.runs_on(NOW.date()), ended.runs_on(date(2026, 5, 5))) == (
        NOW.date(),
        True,
        False,
    )
    assert contracts.end(added.id, NOW.date(), 0).revision == 2
    with pytest.raises(InvalidArgument, match="before the first day"):
        contracts.end(added.id, date(2025, 1, 1), 0)
    with pytest.raises(InvalidArgument, match=r"contract.plan"):
        contracts.add(Contract(id="", customer_id=ada.id, number="8", plan="G", valid_from_date=date(2026, 1, 1)))
    assert last_day([ended, contracts.end(added.id, date(2026, 7, 1), 0)]) == date(2026, 7, 1)
    (listed,) = contracts.list(ada.id, PageRequest()).items
    assert listed.valid_to_date == date(2026, 7, 1)


# ------------------------------------------------------------------------------------------------------ merged


def test_who_was_merged_has_the_owner_and_the_contracts_of_who_lives_on(
    ownerships: Ownerships, store: ProfilesStore, clock: FixedClock, ada: Customer, policies: OwnershipPolicies
) -> None:
    rules(policies, RecycleRule(contact_days=30, contract_days=0))
    twin = Customers(store.customers).create(person(id="", owner="eve"))
    ownerships.follow([twin.id])
    Contracts(store.contracts).add(
        Contract(id="", customer_id=twin.id, number="7", plan="gold", valid_from_date=NOW.date())
    )
    clock.advance(DAY)
    assign(ownerships, ada, "bob")
    Merges(store.identity).merge(Wish(survivor_id=ada.id, loser_ids=(twin.id,)), "", {})
    ownerships.follow([ada.id, twin.id])
    assert ownerships.get(twin.id).owner == "bob"
    assert [owner for owner, _, _ in history(ownerships, twin)] == ["bob", "eve"]
    assert [ownerships.load(owner).customer_count for owner in ("bob", "eve")] == [1, 0]
    assert len(Contracts(store.contracts).list(ada.id, PageRequest()).items) == 1
    clock.advance(31 * DAY)
    assert policies.explain(twin.id).explanation == "a contract without end runs"
    with pytest.raises(FailedPrecondition, match="was merged into"):
        ownerships.release(twin.id, "", 0)


# ------------------------------------------------------------------------------------------------------ erased


def test_what_was_said_lies_sealed_and_can_be_erased(
    ownerships: Ownerships, store: ProfilesStore, database: MemoryDatabase, ada: Customer
) -> None:
    assign(ownerships, ada, "bob", note="canary in the note")
    ownerships.hold(ada.id, Hold(key="talks", reason="canary in the hold", actor=""))
    stored = repr([cast(Any, each).documents for each in database.collections.values()])
    assert ada.id in stored
    assert "canary" not in stored
    assert ownerships.get(ada.id).holds[0].reason == "canary in the hold"
    store.privacy.erase(ada.id)
    assert ownerships.get(ada.id).holds == ()
    (interval,) = ownerships.intervals(ada.id, PageRequest()).items
    assert (interval.owner, interval.start_note) == ("bob", "")
