"""Segments: versions, who comes and goes and when, and the evaluation of everybody, killed and resumed."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.operations import OperationState, Stopped
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob
from libs.engine.run.claims import Claims
from libs.engine.store.memory import MemoryDatabase
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.activity.domain.habits import Contact, Direction
from services.profiles.activity.domain.transactions import Money
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.customers import Customer
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.segments.application import (
    MOST_EXAMINED,
    EvaluationProgress,
    EvaluationRequest,
    EvaluationRun,
    Segments,
)
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import timers
from services.profiles.worth.domain.concentration import Tier
from services.profiles.worth.domain.tiers import TierEvidence, first_assignment
from tests.support.timers import tick
from tests.unit.profiles.builders import NOW, person, transaction
from tests.unit.profiles.conftest import As

DAY = timedelta(days=1)


@pytest.fixture
def segments(store: ProfilesStore) -> Segments:
    return Segments(store.segments)


@pytest.fixture
def ada(store: ProfilesStore) -> Customer:
    return Customers(store.customers).create(person(id="", owner="bob"))


def define(segments: Segments, filter: str, key: str = "group", **fields: Any) -> Segment:
    return segments.define(Segment(id="", key=key, filter=filter, **fields), 0, validate_only=False)


def members(segments: Segments, key: str = "group") -> list[str]:
    return [each.customer_id for each in segments.members(key, PageRequest()).items]


def told(database: MemoryDatabase) -> list[str]:
    return [event.type.split(".")[3] for event in database.events() if ".segment." in event.type]


def look(segments: Segments, *customers: Customer) -> None:
    segments.follow([customer.id for customer in customers], Source.CUSTOMER)


# ------------------------------------------------------------------------------------------------- definitions


def test_another_filter_is_another_version_and_another_name_is_not(
    segments: Segments, database: MemoryDatabase, acting: As
) -> None:
    first = define(segments, "kind = PERSON ", display_name=" People ")
    assert (first.version, first.filter, first.display_name, first.state) == (1, "kind = PERSON", "People", "ACTIVE")
    renamed = define(segments, "kind = PERSON", display_name="Persons")
    assert (renamed.version, renamed.revision) == (1, 2)
    assert define(segments, "kind = PERSON", display_name="Persons").revision == 2
    with acting("eve"):
        second = define(segments, "kind = HOUSEHOLD")
    assert [(each.version, each.filter, each.author) for each in second.versions] == [
        (2, "kind = HOUSEHOLD", "eve"),
        (1, "kind = PERSON", "ada"),
    ]
    assert segments.get("group") == segments.get(first.id) == second
    assert told(database) == ["defined"] * 3


def test_only_the_latest_versions_are_kept(segments: Segments) -> None:
    for days in range(25):
        last = define(segments, f"days_since_create > {days}")
    assert (last.version, len(last.versions), last.versions[-1].version) == (25, 20, 6)


def test_trying_a_definition_stores_nothing(segments: Segments) -> None:
    draft = Segment(id="", key="group", filter="kind = PERSON")
    assert segments.define(draft, 0, validate_only=True).version == 1
    with pytest.raises(NotFound):
        segments.get("group")
    define(segments, "kind = PERSON")
    changed = Segment(id="", key="group", filter="kind = HOUSEHOLD")
    assert segments.define(changed, 0, validate_only=True).version == 2
    assert segments.get("group").version == 1


def test_wrong_definitions_are_refused(segments: Segments) -> None:
    for draft, field in (
        (Segment(id="", key="Group", filter="kind = PERSON"), "segment.key"),
        (Segment(id="", key="group", filter="kind = DOG"), "segment.filter"),
    ):
        with pytest.raises(InvalidArgument) as refused:
            segments.define(draft, 0, validate_only=True)
        assert [violation.field for violation in refused.value.violations] == [field]


def test_a_repeated_definition_is_the_same(segments: Segments, acting: As) -> None:
    with acting(request_id="1", of=b"x"):
        first = define(segments, "kind = PERSON")
    with acting(request_id="1", of=b"x"):
        assert define(segments, "kind = PERSON") == first
    with acting(request_id="2", of=b"y"):
        second = define(segments, "kind = HOUSEHOLD")
    with acting(request_id="2", of=b"y"):
        assert define(segments, "kind = HOUSEHOLD") == second


def test_a_retired_segment_loses_its_members_and_can_come_back(
    segments: Segments, database: MemoryDatabase, ada: Customer
) -> None:
    define(segments, "kind = PERSON")
    look(segments, ada)
    segments.retire("group", 0)
    with pytest.raises(FailedPrecondition, match="retired already"):
        segments.retire("group", 0)
    assert [each.key for each in segments.list(PageRequest(), show_retired=True).items] == ["group"]
    assert not segments.list(PageRequest(), show_retired=False).items
    segments.evaluate_all(everybody())
    assert members(segments) == []
    assert sorted(told(database)[-2:]) == ["evaluated", "left"]
    assert define(segments, "kind = PERSON").version == 2
    segments.evaluate_all(everybody())
    assert members(segments) == [ada.id]


# ------------------------------------------------------------------------------------------- coming and going


def test_who_changes_comes_and_goes_and_only_that_is_told(
    segments: Segments, store: ProfilesStore, database: MemoryDatabase, ada: Customer
) -> None:
    define(segments, "owner = bob AND lifecycle = LEAD")
    define(segments, "kind = PERSON", "people")
    look(segments, ada)
    look(segments, ada)
    assert told(database)[2:] == ["entered", "entered"]
    (membership,) = segments.members("group", PageRequest()).items
    assert [(each.clause, each.value, each.held) for each in membership.reasons] == [
        ("owner = bob", "bob", True),
        ("lifecycle = LEAD", "LEAD", True),
    ]
    Customers(store.customers).update(ada.id, lambda _: person(id=ada.id, owner="eve", lifecycle=ada.lifecycle), 0)
    look(segments, ada)
    assert told(database)[4:] == ["left"]
    assert (members(segments), members(segments, "people")) == ([], [ada.id])
    gone = store.segments.memberships.get(membership.id)
    assert [(each.clause, each.value, each.held) for each in gone.reasons] == [("owner = bob", "eve", False)]
    theirs = segments.of_customer(ada.id, PageRequest()).items
    assert [each.segment_key for each in theirs] == ["people"]


def test_the_deleted_belong_nowhere(segments: Segments, store: ProfilesStore, ada: Customer) -> None:
    define(segments, "kind = PERSON")
    look(segments, ada)
    Customers(store.customers).delete(ada.id, 0)
    look(segments, ada)
    assert members(segments) == []
    Customers(store.customers).undelete(ada.id, 0)
    look(segments, ada)
    assert members(segments) == [ada.id]


def test_purchases_and_contacts_move_only_where_they_are_asked(
    segments: Segments, store: ProfilesStore, ada: Customer
) -> None:
    define(segments, "net_sales.EUR >= 1000")
    Transactions(store.activity).sum_up([transaction("1", 1500, customer_id=ada.id)])
    segments.follow([ada.id], Source.CONTACTS)
    assert store.segments.standings_of([ada.id]) == {}
    segments.follow([ada.id], Source.TRANSACTIONS)
    assert members(segments) == [ada.id]


def test_time_alone_moves_who_was_not_contacted(
    segments: Segments, store: ProfilesStore, clock: FixedClock, ada: Customer
) -> None:
    define(segments, "days_since_last_contact >= 90 OR -last_contact_time:*")
    look(segments, ada)
    assert members(segments) == [ada.id]
    call = Contact(id="int_1", occurred_time=NOW, channel=Channel.VOICE, direction=Direction.INBOUND)
    Habits(store.activity).learn([(ada.id, call)])
    segments.follow([ada.id], Source.CONTACTS)
    assert members(segments) == []
    clock.advance(90 * DAY - timedelta(seconds=1))
    assert tick(store.database, timers(store), "segments") == 0
    clock.advance(timedelta(seconds=1))
    assert tick(store.database, timers(store), "segments") == 1
    assert members(segments) == [ada.id]
    clock.advance(DAY)
    assert tick(store.database, timers(store), "segments") == 1
    clock.advance(1000 * DAY)
    assert tick(store.database, timers(store), "segments") == 0


def test_nobody_is_written_while_there_is_no_segment(segments: Segments, store: ProfilesStore, ada: Customer) -> None:
    look(segments, ada)
    assert store.segments.standings_of([ada.id]) == {}


# ------------------------------------------------------------------------------------------- trying a filter


def test_a_preview_tells_what_decides_for_those_asked_about(
    segments: Segments, store: ProfilesStore, ada: Customer
) -> None:
    eve = Customers(store.customers).create(person(id=""))
    preview = segments.preview("owner = bob AND days_since_create >= 0", [ada.id, eve.id], 0)
    assert [(each.customer_id, each.matches) for each in preview.verdicts] == [(ada.id, True), (eve.id, False)]
    assert [each.value for each in preview.verdicts[0].reasons] == ["bob", "0"]
    assert [(each.clause, each.value) for each in preview.verdicts[1].reasons] == [("owner = bob", "")]
    with pytest.raises(NotFound):
        segments.preview("kind = PERSON", ["cus_0"], 0)


def test_a_preview_looks_at_no_more_than_it_says(segments: Segments, store: ProfilesStore, clock: FixedClock) -> None:
    for batch in range(11):
        clock.advance(timedelta(seconds=1))
        rows = [(f"{batch}/{n}", lambda n=n: person(id="", owner="bob" if n == 0 else "eve")) for n in range(100)]
        Customers(store.customers).import_rows(rows)
    everyone = segments.preview("owner:*", [], 0)
    assert (everyone.examined_count, everyone.matched_count, everyone.partial) == (MOST_EXAMINED, MOST_EXAMINED, True)
    assert len(everyone.verdicts) == 20
    bobs = segments.preview("owner = bob", [], 100)
    assert (bobs.examined_count, bobs.matched_count, bobs.partial) == (11, 11, False)


# ------------------------------------------------------------------------------------- everybody, in the background


def everybody(**options: Any) -> MemoryJob[EvaluationRequest, EvaluationProgress]:
    return MemoryJob(EvaluationRequest(), EvaluationProgress(), **options)


def people(store: ProfilesStore, count: int) -> None:
    Customers(store.customers).import_rows(
        [(str(n), lambda n=n: person(id="", owner="bob" if n % 3 else "")) for n in range(count)]
    )


def test_everybody_is_looked_at_once_and_counted(segments: Segments, store: ProfilesStore) -> None:
    people(store, 250)
    define(segments, "owner = bob")
    job = everybody()
    assert segments.evaluate_all(job) == EvaluationRun(customer_count=250, segment_count=1)
    evaluated = segments.get("group")
    assert (evaluated.evaluated_version, evaluated.member_count, evaluated.stale) == (1, 166, False)
    assert job.told[-1] == (250, 0)


def test_a_killed_evaluation_goes_on_where_it_was(segments: Segments, store: ProfilesStore) -> None:
    people(store, 250)
    define(segments, "owner = bob")
    job = everybody(stop=(1).__eq__)
    with pytest.raises(Stopped):
        segments.evaluate_all(job)
    resumed = MemoryJob(job.request, job.state)
    assert segments.evaluate_all(resumed) == EvaluationRun(customer_count=250, segment_count=1)
    assert segments.get("group").member_count == 166
    standings = store.segments.standings_of(
        [each.id for each in store.customers.customers.find(None, order="create_time", limit=300)]
    )
    assert {each.evaluations for each in standings.values()} == {1}


def test_what_is_defined_meanwhile_has_its_own_round(segments: Segments, store: ProfilesStore) -> None:
    people(store, 120)
    define(segments, "owner = bob")

    def meanwhile(step: int) -> bool:
        if step == 1:
            define(segments, "owner = eve")
        return False

    assert segments.evaluate_all(everybody(stop=meanwhile)).customer_count == 240
    evaluated = segments.get("group")
    assert (evaluated.evaluated_version, evaluated.member_count, evaluated.stale) == (2, 0, False)
    assert members(segments) == []


def test_the_clock_starts_an_evaluation_where_one_is_needed_and_none_is_at_work(
    segments: Segments, store: ProfilesStore, clock: FixedClock, acting: As
) -> None:
    def start() -> int:
        clock.advance(timedelta(minutes=1))
        return tick(store.database, timers(store), "segment_evaluations")

    assert start() == 0
    define(segments, "kind = PERSON")
    assert [start(), start()] == [1, 0]
    with acting(tenant="bolt"):
        define(segments, "kind = PERSON")
    assert start() == 1
    for tenant in ("acme", "bolt"):
        with acting(tenant=tenant):
            (operation,) = store.operations.list("", PageRequest()).items
            assert (operation.kind, operation.state) == ("evaluate_segments", OperationState.PENDING)
            segments.evaluate_all(everybody())
            store.operations.cancel(operation.id)
    assert start() == 0
    assert len(store.operations.list("", PageRequest()).items) == 1


def test_an_evaluation_that_fails_again_and_again_is_started_less_and_less_often(
    segments: Segments, store: ProfilesStore, clock: FixedClock
) -> None:
    define(segments, "kind = PERSON")
    starts = []
    for second in range(1200):
        clock.advance(timedelta(seconds=1))
        if tick(store.database, timers(store), "segment_evaluations"):
            starts.append(second)
            found = Claims(store.database).waiting()
            assert found
            claimed = Claims(store.database).claim(found[1].id, "worker")
            Claims(store.database).change(claimed, lambda each: each.ended(OperationState.FAILED, clock.now()))
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses == [8, 16, 32, 64, 128, 256, 512]


def test_the_same_key_is_another_segment_elsewhere(segments: Segments, acting: As) -> None:
    define(segments, "kind = PERSON")
    with acting(tenant="bolt"):
        assert define(segments, "kind = HOUSEHOLD").version == 1
    assert segments.get("group").filter == "kind = PERSON"


# --------------------------------------------------------------------------------------- merged, and of a tier


def test_who_was_merged_leaves_and_who_lives_on_is_judged_by_all(
    segments: Segments, store: ProfilesStore, ada: Customer
) -> None:
    define(segments, "sale_count >= 2")
    twin = Customers(store.customers).create(person(id=""))
    Transactions(store.activity).sum_up(
        [transaction(str(n), customer_id=each.id) for n, each in enumerate((ada, twin))]
    )
    Merges(store.identity).merge(Wish(survivor_id=ada.id, loser_ids=(twin.id,)), "", {})
    look(segments, ada, twin)
    assert members(segments) == [ada.id]
    assert segments.preview("sale_count = 2", [twin.id], 0).verdicts[0].customer_id == ada.id
    Transactions(store.activity).sum_up([transaction("3", customer_id=twin.id)])
    define(segments, "sale_count = 3", "three")
    segments.follow([twin.id], Source.TRANSACTIONS)
    assert members(segments, "three") == [ada.id]
    theirs = segments.of_customer(twin.id, PageRequest()).items
    assert {each.segment_key for each in theirs} == {"group", "three"}
    assert segments.evaluate_all(everybody()).customer_count == 2
    assert segments.get("group").member_count == 1


def test_a_tier_can_be_asked(segments: Segments, store: ProfilesStore, ada: Customer) -> None:
    define(segments, "tier = A")
    evidence = TierEvidence(
        evaluation_id="tev_1",
        policy_id="tpol_1",
        contribution=Money(currency_code="EUR", minor_units=1),
        measured_tier=Tier.A,
        as_of_time=NOW,
    )
    assigned, events = first_assignment(ada.id, Tier.A, evidence, NOW)
    store.worth.assignments.insert((assigned, events), key=ada.id)
    segments.follow([ada.id], Source.WORTH)
    assert members(segments) == [ada.id]
