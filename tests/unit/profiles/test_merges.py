"""Merging customers into one, undoing it, and what becomes of old ids and of consent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any, cast
from uuid import uuid4

import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given, settings
from hypothesis import strategies as st
from kehu.common.v1 import envelope_pb2
from kehu.profiles.v1 import customer_pb2, duplicates_pb2, facts_pb2, identity_pb2, merges_pb2, transactions_pb2
from kehu.profiles.v1 import customers_pb2 as pb
from kehu.profiles.v1 import events_pb2 as events

from libs.chassis import context
from libs.chassis.context import Context
from libs.chassis.domain import Conflict, FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.inbox import Received, event_type
from libs.chassis.paging import Page
from libs.engine.inbox.decoding import received
from libs.engine.store.memory import MemoryDatabase
from services.profiles.activity.application.transactions import Row, Transactions
from services.profiles.api import servicers
from services.profiles.consent.application import Consents
from services.profiles.consent.domain.permission import SendQuestion, SendReason
from services.profiles.customers.api.changes import History
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.consents import Capture, ConsentState, Purpose, Scope
from services.profiles.customers.domain.contact_points import Channel, ContactPointType, Spelling, VerificationMethod
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.dates import TypedDate, TypedDateKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.names import PersonName
from services.profiles.identity.application.duplicates import Duplicates
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.identity.domain.duplicates import Decision, DuplicateState
from services.profiles.identity.domain.matching import Veto
from services.profiles.identity.domain.merges import FieldChoice, MergeRecord, MergeState, Rule
from services.profiles.privacy.application.access import Privacy
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.outlook import CustomerWorth
from tests.support.servicers import Methods
from tests.unit.profiles.builders import NOW, decision, email, organisation, person, phone, transaction
from tests.unit.profiles.conftest import As

KEPT_BY_THE_STORE = {"revision": 0, "create_time": None, "update_time": None, "merge_epoch": 0}


class People:
    """The service as a caller sees it, with short words for what the tests do all the time."""

    def __init__(self, store: ProfilesStore) -> None:
        self.store = store
        self.customers = Customers(store.customers)
        self.merges = Merges(store.identity)
        self.consents = Consents(store.consent)
        self.transactions = Transactions(store.activity)

    def create(self, given: str = "Ada", **fields: Any) -> Customer:
        return self.customers.create(person(names=(PersonName(given=given, family="Lovelace"),), **fields))

    def merge(self, survivor: Customer, *losers: Customer, **more: Any) -> MergeRecord:
        wish = Wish(survivor_id=survivor.id, loser_ids=tuple(each.id for each in losers), **more)
        return self.merges.merge(wish, "the same", {})[0]

    def get(self, id: str) -> Customer:
        return self.customers.get(id)

    def stored(self, id: str) -> Customer:
        return self.store.customers.customers.get(id)

    def decide(self, customer: Customer, state: ConsentState = ConsentState.GRANTED, **fields: Any) -> None:
        self.consents.record(customer.id, decision(state, **{"proof_ref": uuid4().hex, **fields}), within="receipt")

    def may_mail(self, id: str, to: str = "", purpose: Purpose = Purpose.MARKETING) -> bool:
        question = SendQuestion(purpose=purpose, channel=Channel.EMAIL, contact_point=to)
        permission = self.consents.check_send_permission(id, question)
        return not {block.reason for block in permission.blocks} - {SendReason.CONTACT_POINT_UNVERIFIED}


@pytest.fixture
def people(store: ProfilesStore) -> People:
    return People(store)


def content(customer: Customer) -> Customer:
    """Everything but what the store keeps for itself."""
    return replace(customer, **KEPT_BY_THE_STORE)  # type: ignore[arg-type]


def published(database: MemoryDatabase, name: str) -> list[tuple[envelope_pb2.Envelope, Any]]:
    kind = getattr(events, name)
    found = [each for each in database.events() if each.type == event_type(kind)]
    return [(each, kind.FromString(each.data)) for each in found]


# ------------------------------------------------------------------------------------------------------------ merge


def test_the_survivor_gets_what_it_lacks_and_keeps_what_it_has(people: People) -> None:
    shop, erp = ExternalId(system="shop", id="1"), ExternalId(system="erp", id="9")
    a = people.create(
        contact_points=(email(),), external_ids=(shop,), labels={"club": "gold", "vip": "yes"}, owner="eve"
    )
    b = people.create(
        "Augusta",
        contact_points=(email("Ada@EXAMPLE.com"), email("augusta@example.org"), phone()),
        external_ids=(erp,),
        labels={"club": "silver", "shoe": "38"},
        owner="bob",
        dates=(TypedDate(kind=TypedDateKind.BIRTH, year=1815, month=12, day=10),),
    )
    record = people.merge(a, b)
    merged = people.get(a.id)
    assert [point.canonical for point in merged.contact_points] == [
        "ada@example.com",
        "Ada@example.com",
        "augusta@example.org",
        "+8613123456789",
    ]
    assert [point.primary for point in merged.contact_points] == [True, False, False, True], "one of each type"
    assert merged.external_ids == (shop, erp)
    assert merged.labels == {"club": "gold", "vip": "yes", "shoe": "38"}
    assert (merged.owner, merged.display_name, merged.aliases) == ("eve", "Ada Lovelace", ())
    assert [name.given for name in merged.names] == ["Ada", "Augusta"]
    assert merged.dates == b.dates
    assert merged.merged_ids == (b.id,)
    rules = {each.field: (each.rule, each.customer_id) for each in record.field_decisions}
    assert rules["owner"] == (Rule.SURVIVOR, a.id)
    assert rules["contact_points"] == (Rule.UNITED, "")
    assert rules["dates"][0] is Rule.UNITED
    assert people.customers.search("augusta", 5)[0].id == a.id, "the old name still finds the customer"


def test_a_verified_contact_point_stays_verified(people: People) -> None:
    a, b = people.create(), people.create(contact_points=(email(),))
    spelling = Spelling(type=ContactPointType.EMAIL, value="ada@example.com")
    people.customers.verify_contact_point(b.id, spelling, VerificationMethod.CODE, None, 0)
    people.merge(a, b)
    assert people.get(a.id).contact_points[0].verify_time == NOW


def test_a_choice_beats_the_rules_and_unknown_ones_are_refused(people: People) -> None:
    a, b = people.create(owner="eve"), people.create("Augusta", owner="bob")
    record = people.merge(a, b, choices=(FieldChoice(field="owner", customer_id=b.id),))
    assert people.get(a.id).owner == "bob"
    assert record.field_decisions[1].rule is Rule.CHOSEN
    c = people.create()
    for choice in (FieldChoice(field="consent", customer_id=c.id), FieldChoice(field="owner", customer_id=b.id)):
        with pytest.raises(InvalidArgument, match="choices"):
            people.merge(a, c, choices=(choice,))


def test_a_preview_shows_what_the_merge_then_does(people: People, database: MemoryDatabase) -> None:
    a, b = people.create(contact_points=(email(),)), people.create("Augusta", contact_points=(phone(),))
    people.decide(a)
    wish = Wish(survivor_id=a.id, loser_ids=(b.id,))
    before = len(database.events())
    preview = people.merges.preview(wish)
    assert len(database.events()) == before, "nothing is changed"
    record, merged = people.merges.merge(wish, "", preview.revisions)
    assert record.field_decisions == preview.field_decisions
    assert [decision.scope for decision in merged.consent.decisions] == [
        decision.scope for decision in preview.customer.consent.decisions
    ]
    assert merged.contact_points == preview.customer.contact_points
    assert preview.matches[0].evidence
    with pytest.raises(Conflict):
        people.merges.merge(Wish(survivor_id=people.create().id, loser_ids=(a.id,)), "", {a.id: a.revision})


def test_one_event_tells_all_ids_and_decisions(people: People, database: MemoryDatabase) -> None:
    a, b, c = people.create(), people.create("Bea", contact_points=(phone(),)), people.create("Cleo")
    people.merge(b, c)
    record = people.merge(a, b)
    [(envelope, merged)] = [each for each in published(database, "CustomersMerged") if each[1].merge.id == record.id]
    assert envelope.entity_id == a.id
    assert (merged.merge.survivor_id, list(merged.merge.loser_ids), merged.merge.epoch) == (a.id, [b.id], record.epoch)
    assert {each.customer_id: each.canonical_id for each in merged.aliases} == {b.id: a.id, c.id: a.id}
    assert [point.canonical for point in merged.aliases[0].contact_points] == ["+8613123456789"]
    assert {each.field for each in merged.merge.field_decisions} >= {"contact_points", "names"}
    assert merged.customer.revision == envelope.revision
    assert list(merged.customer.merged_ids) == [b.id, c.id]
    gone = {each.customer.id: each.customer.merged_into for _, each in published(database, "CustomerUpdated")}
    assert gone[b.id] == a.id


# ---------------------------------------------------------------------------------------------------------- old ids


def test_an_old_id_reads_the_survivor_and_says_so(people: People) -> None:
    a, b, c = (
        people.create(),
        people.create("Bea", external_ids=(ExternalId(system="erp", id="9"),)),
        people.create("Cleo"),
    )
    people.merge(b, c)
    people.merge(a, b)
    for old in (b.id, c.id):
        assert people.get(old).id == a.id
        assert old in people.get(old).merged_ids
    assert [each.id for each in people.customers.batch_get([c.id, a.id, b.id])] == [a.id] * 3
    assert [each.id for each in people.customers.lookup_external_id(ExternalId(system="erp", id="9")).items] == [a.id]
    resolved = people.merges.resolve([c.id, "cus_nobody", a.id])
    assert [(each.customer_id, each.canonical_id, each.epoch) for each in resolved] == [
        (c.id, a.id, 2),
        (a.id, a.id, 2),
    ]


def test_a_write_to_an_old_id_is_refused_and_names_the_survivor(people: People) -> None:
    a, b = people.create(), people.create("Bea", contact_points=(email(),))
    people.merge(a, b)
    spelling = Spelling(type=ContactPointType.EMAIL, value="ada@example.com")
    writes = [
        lambda: people.customers.update(b.id, lambda now: replace(now, owner="eve"), 0),
        lambda: people.customers.delete(b.id, 0),
        lambda: people.customers.undelete(b.id, 0),
        lambda: people.customers.add_contact_point(b.id, phone(), 0),
        lambda: people.customers.remove_contact_point(b.id, spelling, 0),
        lambda: people.customers.verify_contact_point(b.id, spelling, VerificationMethod.CODE, None, 0),
        lambda: people.decide(b),
        lambda: people.merge(people.create(), b),
        lambda: people.merge(b, people.create()),
    ]
    for write in writes:
        with pytest.raises(FailedPrecondition) as refusal:
            write()
        assert refusal.value.reason_code == "CUSTOMER_MERGED"
        assert refusal.value.metadata["survivor_id"] == a.id


def test_a_row_for_an_old_id_is_refused_alone_and_one_by_external_id_reaches_the_survivor(people: People) -> None:
    erp = ExternalId(system="erp", id="9")
    a, b = people.create(), people.create("Bea", external_ids=(erp,))
    people.transactions.record([Row(transaction("1", customer_id=b.id))])
    people.merge(a, b)
    old, new = people.transactions.record(
        [Row(transaction("2", customer_id=b.id)), Row(transaction("3", customer_id=""), erp)]
    )
    assert isinstance(old.error, FailedPrecondition)
    assert old.error.reason_code == "CUSTOMER_MERGED"
    assert [outcome.entity and outcome.entity.customer_id for outcome in (old, new)] == [None, a.id]


def test_what_was_recorded_for_any_of_the_ids_is_read_together_and_splits_again(people: People) -> None:
    a, b = people.create(), people.create("Bea")
    for key, owner in (("1", a), ("2", b)):
        [outcome] = people.transactions.record([Row(transaction(key, customer_id=owner.id))])
        assert outcome.entity is not None
        people.transactions.sum_up([outcome.entity])
    record = people.merge(a, b)
    assert CustomerWorth(people.store.worth).contribution(b.id, None, None).customer_id == a.id
    for id in (a.id, b.id):
        [euros] = CustomerWorth(people.store.worth).contribution(id, None, None).currencies
        assert euros.transaction_count == 2
        summary = people.transactions.summary(id)
        assert (summary.customer_id, summary.count, summary.totals[0].amount.minor_units) == (a.id, 2, 3998)
    [late] = people.transactions.record([Row(transaction("3", customer_id=a.id))])
    assert late.entity is not None
    people.transactions.sum_up([late.entity, replace(late.entity, customer_id=b.id)])  # Even one for the old id.
    assert people.transactions.summary(a.id).count == 4
    people.merges.unmerge(record.id, "")
    assert [people.transactions.summary(each.id).count for each in (a, b)] == [2, 2]


# ---------------------------------------------------------------------------------------------------------- refusals


def test_nobody_is_merged_into_themselves_twice_or_across_tenants(people: People, acting: As) -> None:
    a = people.create()
    with pytest.raises(InvalidArgument, match="into itself"):
        people.merge(a, a)
    b = people.create()
    with pytest.raises(InvalidArgument, match="into itself"):
        people.merge(a, b, b)
    with acting(tenant="other"):
        foreign = people.create()
    with pytest.raises(NotFound):
        people.merge(a, foreign)
    people.customers.delete(b.id, 0)
    with pytest.raises(FailedPrecondition, match="deleted"):
        people.merge(a, b)


def test_vetoes_forbid_a_merge_until_they_are_lifted(people: People) -> None:
    a, b = people.create(), people.create()
    firm = people.customers.create(organisation())
    other = people.create(external_ids=(ExternalId(system="passport", id="1"),))
    another = people.create(external_ids=(ExternalId(system="passport", id="2"),))
    for survivor, loser, veto in ((a, firm, Veto.DIFFERENT_KIND), (other, another, Veto.DIFFERENT_IDENTITY)):
        assert people.merges.preview(Wish(survivor_id=survivor.id, loser_ids=(loser.id,))).vetoes == (veto,)
        with pytest.raises(FailedPrecondition, match=veto) as refusal:
            people.merge(survivor, loser)
        assert refusal.value.reason_code == "MERGE_VETOED"
    record = people.merge(a, b)
    people.merges.unmerge(record.id, "mother and daughter")
    with pytest.raises(FailedPrecondition, match=Veto.REJECTED):
        people.merge(a, b)
    pair = people.store.identity.new_candidate(a.id, b.id).id
    Duplicates(people.store.identity).decide(pair, Decision.REOPEN, "looked again", 0)
    people.merge(a, b)
    assert people.store.identity.candidates.get(pair).state is DuplicateState.MERGED


def test_more_than_a_customer_may_have_is_refused(people: People) -> None:
    a = people.create(aliases=tuple(f"a{i}" for i in range(15)))
    b = people.create(aliases=tuple(f"b{i}" for i in range(15)))
    with pytest.raises(FailedPrecondition, match="30 aliases"):
        people.merge(a, b)


def test_a_repeat_of_a_call_merges_and_unmerges_once(people: People, acting: As) -> None:
    a, b = people.create(), people.create()
    wish = Wish(survivor_id=a.id, loser_ids=(b.id,))
    records = []
    for _ in range(2):
        with acting(request_id="1", of=b"merge"):
            records.append(people.merges.merge(wish, "", {}))
    assert records[0] == records[1]
    undone = []
    for _ in range(2):
        with acting(request_id="2", of=b"unmerge"):
            undone.append(people.merges.unmerge(records[0][0].id, ""))
    assert undone[0] == undone[1]
    with pytest.raises(FailedPrecondition, match="was undone"):
        people.merges.unmerge(records[0][0].id, "")


# ---------------------------------------------------------------------------------------------------------- unmerge


def test_unmerge_restores_everybody_exactly(people: People, database: MemoryDatabase) -> None:
    """T-03, the profile part."""
    a = people.create(
        contact_points=(email(),), external_ids=(ExternalId(system="erp", id="1"),), labels={"club": "gold"}
    )
    b = people.create("Bea", contact_points=(phone(),), external_ids=(ExternalId(system="erp", id="2"),), owner="eve")
    c = people.create("Cleo", contact_points=(email("cleo@example.com"),))
    people.merge(b, c)
    b = people.stored(b.id)
    record = people.merge(a, b)
    undone, customers = people.merges.unmerge(record.id, "two people")
    assert [content(each) for each in customers] == [content(a), content(b)]
    assert people.get(c.id).id == b.id, "an earlier merge stands"
    assert (undone.state, undone.unmerge_actor, undone.unmerge_reason) == (MergeState.UNMERGED, "ada", "two people")
    [(_, told)] = published(database, "CustomersUnmerged")
    assert {each.customer_id: each.canonical_id for each in told.aliases} == {b.id: b.id, c.id: b.id}
    assert told.merge.unmerge_epoch == 3


def test_what_happened_since_the_merge_stays_with_the_survivor(people: People) -> None:
    a, b = people.create(), people.create("Bea", contact_points=(phone(),), labels={"shoe": "38"})
    record = people.merge(a, b)
    people.customers.add_contact_point(a.id, email("new@example.com"), 0)
    people.customers.update(a.id, lambda now: replace(now, owner="eve", labels={**now.labels, "hat": "m"}), 0)
    people.merges.unmerge(record.id, "")
    now = people.get(a.id)
    assert [point.canonical for point in now.contact_points] == ["new@example.com"]
    assert (now.owner, now.labels, now.aliases) == ("eve", {"hat": "m"}, ())


def test_merges_into_one_survivor_are_undone_in_any_order(people: People) -> None:
    a = people.create()
    b, c = people.create("Bea", contact_points=(phone(),)), people.create("Cleo", contact_points=(phone(),))
    first, second = people.merge(a, b), people.merge(a, c)
    people.merges.unmerge(first.id, "")
    assert [point.canonical for point in people.get(a.id).contact_points] == ["+8613123456789"], "it is Cleo's as well"
    people.merges.unmerge(second.id, "")
    assert content(people.get(a.id)) == content(a)


def test_a_merge_under_another_one_is_undone_after_it(people: People) -> None:
    a, b, c = people.create(), people.create("Bea"), people.create("Cleo")
    first, second = people.merge(b, c), people.merge(a, b)
    with pytest.raises(FailedPrecondition) as refusal:
        people.merges.unmerge(first.id, "")
    assert refusal.value.metadata["survivor_id"] == a.id
    people.merges.unmerge(second.id, "")
    people.merges.unmerge(first.id, "")
    assert [content(people.stored(each.id)) for each in (a, b, c)] == [content(each) for each in (a, b, c)]


@settings(max_examples=25)
@given(st.data())
def test_the_forest_is_acyclic_and_undoing_everything_restores_everybody(data: st.DataObject) -> None:
    with context.enter(Context(tenant="acme", actor="ada")):
        people = People(ProfilesStore(MemoryDatabase("profiles")))
        born = [people.create(name, labels={name.lower(): "1"}) for name in ("Ann", "Bea", "Cleo", "Dora", "Eve")]
        in_force: list[MergeRecord] = []
        for _ in range(data.draw(st.integers(1, 8))):
            survivor, loser = data.draw(st.permutations(born))[:2]
            with suppress(FailedPrecondition):  # One of the two was merged before.
                in_force.append(people.merge(survivor, loser))
        stored = {each.id: people.stored(each.id) for each in born}
        for each in stored.values():
            canonical = stored[each.canonical_id]
            assert canonical.merged_into == "", "one step leads to who lives on"
            assert (each.id in canonical.merged_ids) == (each.id != canonical.id)
        assert len({record.epoch for record in in_force}) == len(in_force)
        for record in reversed(in_force):
            people.merges.unmerge(record.id, "")
        assert [content(people.stored(each.id)) for each in born] == [content(each) for each in born]


# ---------------------------------------------------------------------------------------------------------- consent


def test_a_refusal_of_either_stands_whatever_the_other_agreed_to_and_when(people: People, clock: FixedClock) -> None:
    a, b = people.create(contact_points=(email(),)), people.create(contact_points=(email(),))
    people.decide(b, ConsentState.DENIED, capture_time=NOW - timedelta(days=100))
    people.decide(a, ConsentState.GRANTED, capture_time=NOW - timedelta(days=1))
    assert people.may_mail(a.id)
    people.merge(a, b)
    assert not people.may_mail(a.id)
    assert people.consents.verify_chain(a.id).intact
    assert people.consents.verify_chain(b.id).intact, "the receipts of an old id stay provable under it"
    clock.advance(timedelta(days=1))
    people.decide(a, ConsentState.GRANTED, capture_time=clock.now(), capture=Capture.CUSTOMER_ACTION)
    assert people.may_mail(a.id), "a later act of the customer lifts it"


def test_a_contact_point_of_another_needs_the_consent_of_its_owner(people: People) -> None:
    a = people.create(contact_points=(email(),))
    b = people.create("Bea", contact_points=(email("bea@example.com"),))
    c = people.create("Cleo", contact_points=(email("cleo@example.com"),))
    people.decide(a)
    people.decide(c)
    people.merge(a, b, c)
    assert people.may_mail(a.id, "ada@example.com")
    assert not people.may_mail(a.id, "bea@example.com"), "Bea never agreed"
    assert people.may_mail(a.id, "cleo@example.com")


def test_a_loser_agreed_for_nobody_but_itself(people: People) -> None:
    a, b = people.create(contact_points=(email(),)), people.create(contact_points=(email(),))
    people.decide(b)
    people.merge(a, b)
    assert not people.may_mail(a.id)


def test_a_merge_never_grants_not_even_at_the_mailbox_for_which_the_loser_agreed(people: People) -> None:
    """The survivor never answered, and silence is the stricter answer. Staff merges, and staff never grants."""
    a = people.create(contact_points=(email(),))
    b = people.create("Bea", contact_points=(email("bea@example.com"),))
    people.decide(b, channel=Channel.EMAIL, contact_point="bea@example.com")
    assert people.may_mail(b.id, "bea@example.com")
    record = people.merge(a, b)
    assert not people.may_mail(a.id, "bea@example.com")
    assert not people.stored(a.id).consent.decisions, "and no receipt is made up for it"
    people.decide(a, channel=Channel.EMAIL, contact_point="bea@example.com")
    assert people.may_mail(a.id, "bea@example.com"), "the customer only has to say so again"
    people.merges.unmerge(record.id, "")
    assert people.may_mail(b.id, "bea@example.com"), "what Bea agreed to herself is hers again"
    assert not people.may_mail(a.id, "bea@example.com")


def test_a_refusal_that_comes_for_an_old_id_counts_for_the_survivor(people: People) -> None:
    a, b = people.create(contact_points=(email(),)), people.create(contact_points=(email(),))
    people.decide(a)
    people.decide(b)
    people.merge(a, b)
    assert people.may_mail(b.id), "asked for the old id, answered for the survivor"
    people.decide(b, ConsentState.DENIED)
    assert not people.may_mail(a.id)


def test_consent_after_an_unmerge_is_the_strictest_for_both(people: People, clock: FixedClock) -> None:
    """T-03, the consent part."""
    a, b = people.create(contact_points=(email(),)), people.create("Bea", contact_points=(email("b@example.com"),))
    for each in (a, b):
        people.decide(each, purpose=Purpose.MARKETING)
    record = people.merge(a, b)
    clock.advance(timedelta(days=1))
    people.decide(a, ConsentState.DENIED, purpose=Purpose.MARKETING, capture_time=clock.now())
    people.decide(a, ConsentState.GRANTED, purpose=Purpose.SURVEY, capture_time=clock.now())
    people.merges.unmerge(record.id, "")
    for each in (a, b):
        assert not people.may_mail(each.id), "nobody knows who of the two said no"
        assert not people.may_mail(each.id, purpose=Purpose.SURVEY), "nor who agreed"
        assert people.consents.verify_chain(each.id).intact


_DECISIONS = st.lists(
    st.tuples(
        st.sampled_from([ConsentState.GRANTED, ConsentState.DENIED]),
        st.sampled_from([Purpose.MARKETING, Purpose.CARE]),
        st.sampled_from([None, Channel.EMAIL, Channel.SMS]),
        st.booleans(),
        st.integers(1, 100),
    ),
    max_size=4,
)


@settings(max_examples=50)
@given(_DECISIONS, _DECISIONS)
def test_a_merge_never_allows_what_was_refused_or_what_the_owner_of_the_mailbox_did_not_allow(
    of_a: Sequence[tuple[Any, ...]], of_b: Sequence[tuple[Any, ...]]
) -> None:
    with context.enter(Context(tenant="acme", actor="ada")):
        people = People(ProfilesStore(MemoryDatabase("profiles")))
        a = people.create(contact_points=(email("a@example.com"), email("both@example.com")))
        b = people.create("Bea", contact_points=(email("b@example.com"), email("both@example.com")))
        for who, decisions in ((a, of_a), (b, of_b)):
            for state, purpose, channel, narrow, days in decisions:
                point = who.contact_points[0].canonical if narrow and channel is not Channel.SMS else ""
                at = NOW - timedelta(days=days)
                with suppress(FailedPrecondition):  # A grant after a refusal; what is in force is what counts here.
                    people.decide(who, state, purpose=purpose, channel=channel, contact_point=point, capture_time=at)
        asked: list[tuple[str, Purpose, bool]] = []
        for to, purpose in product(("a@example.com", "b@example.com", "both@example.com"), Purpose):
            scope = Scope(purpose=purpose, channel=Channel.EMAIL, contact_point=to)
            heads = [people.stored(each.id).consent for each in (a, b)]
            said_no = any(head.refusals(scope) for head in heads)
            owner = b if to.startswith("b@") else a
            said_yes = people.may_mail(owner.id, to, purpose)
            asked.append((to, purpose, said_yes and not said_no))
        people.merge(a, b)
        for to, purpose, allowed in asked:
            assert allowed or not people.may_mail(a.id, to, purpose)


def test_who_is_being_erased_is_neither_merged_nor_brought_back(people: People) -> None:
    a, b, c = people.create(), people.create("Bea"), people.create("Cleo")
    record = people.merge(a, b)
    Erasures(people.store.privacy).request(a.id, "asked for it", validate_only=False)
    for attempt in (lambda: people.merges.unmerge(record.id, ""), lambda: people.merge(c, a)):
        with pytest.raises(FailedPrecondition, match="erased"):
            attempt()


# ------------------------------------------------------------------------------------------------------------- doors


def test_contact_points_are_masked_for_whoever_may_not_see_them(people: People, acting: As) -> None:
    a = people.create(
        contact_points=(phone(),), dates=(TypedDate(kind=TypedDateKind.BIRTH, year=1815, month=1, day=1),)
    )
    b = people.create(contact_points=a.contact_points, dates=a.dates)
    Duplicates(people.store.identity).look_again([a.id, b.id])
    servicer, call = Methods(servicers(people.store, cast(Any, None))), cast(Any, None)
    with acting(scopes=frozenset({"profiles.customers.read"})):
        found = servicer.FindDuplicates(duplicates_pb2.FindDuplicatesRequest(customer_id=a.id), call)
        listed = servicer.ListDuplicateCandidates(duplicates_pb2.ListDuplicateCandidatesRequest(), call)
        wish = merges_pb2.PreviewMergeRequest(survivor_id=a.id, loser_ids=[b.id])
        preview = servicer.PreviewMerge(wish, call)
    for told in (found, listed, preview):
        assert "+86•••••89" in MessageToJson(told, ensure_ascii=False)
        assert "+8613123456789" not in str(told)


def history_of(database: MemoryDatabase) -> History:
    """What the journal would tell of the events so far."""

    def history(entity_id: str, *, size: int, token: str = "") -> Page[Received]:
        told = [each for each in database.events() if each.entity_id == entity_id]
        told.sort(key=lambda each: (each.revision, each.id), reverse=True)
        start = int(token or 0)
        page = [received(each, each) for each in told[start : start + size]]
        return Page(page, str(start + size) if start + size < len(told) else "")

    return history


def test_the_history_of_a_survivor_and_of_an_old_id_tell_of_the_merge(people: People, database: MemoryDatabase) -> None:
    a, b = people.create(contact_points=(email(),)), people.create("Bea", contact_points=(phone(),))
    people.decide(b, ConsentState.DENIED)
    record = people.merge(a, b)
    people.merges.unmerge(record.id, "")
    servicer = Methods(servicers(people.store, history_of(database)))
    told = {
        id: servicer.ListCustomerChanges(pb.ListCustomerChangesRequest(customer_id=id, page_size=50), cast(Any, None))
        for id in (a.id, b.id)
    }
    of_a = [(each.event_type.split(".")[-2], [f.field for f in each.fields]) for each in told[a.id].changes]
    assert ("unmerged", ["contact_points", "merged_ids", "names"]) in of_a
    assert any(kind == "merged" and {"names", "consent", "merged_ids"} <= set(fields) for kind, fields in of_a)
    of_b = [[f.field for f in each.fields] for each in told[b.id].changes]
    assert ["delete_time", "merged_into"] in of_b


def test_every_field_tells_who_made_it_what_it_is_and_which_merge_took_it_from_whom(
    people: People, database: MemoryDatabase, acting: As
) -> None:
    a, b = people.create(labels={"club": "gold"}), people.create("Bea", owner="eve", contact_points=(phone(),))
    with acting("bob"):
        people.customers.update(a.id, lambda now: replace(now, labels={"club": "silver"}), 0)
    with acting("cleo"):
        people.merge(a, b)
    servicer = Methods(servicers(people.store, history_of(database)))
    answer = servicer.TraceFields(identity_pb2.TraceFieldsRequest(customer_id=b.id), cast(Any, None))
    origins = {each.field: each for each in answer.origins}
    assert [origins[name].actor for name in ("kind", "labels", "owner")] == ["ada", "bob", "cleo"]
    assert [origins[name].revision for name in ("kind", "labels", "owner")] == [1, 2, 3]
    assert (origins["owner"].rule, origins["owner"].customer_id) == (merges_pb2.FieldDecision.RULE_FILLED, b.id)
    assert origins["contact_points"].rule == merges_pb2.FieldDecision.RULE_UNITED
    assert origins["labels"].rule == merges_pb2.FieldDecision.RULE_UNSPECIFIED
    assert list(origins) == sorted(origins)


def test_the_doors(store: ProfilesStore, database: MemoryDatabase) -> None:
    def no_history(entity_id: str, *, size: int, token: str = "") -> Page[Any]:
        return Page([], "")

    call, servicer = cast(Any, None), Methods(servicers(store, no_history))
    ada = customer_pb2.Customer(kind="KIND_PERSON", names=[customer_pb2.PersonName(given="Ada", family="Lovelace")])
    a, b = (servicer.CreateCustomer(pb.CreateCustomerRequest(customer=ada), call).id for _ in range(2))
    wish = {"survivor_id": a, "loser_ids": [b]}
    preview = servicer.PreviewMerge(merges_pb2.PreviewMergeRequest(**wish), call)
    assert preview.customer.id == a
    assert dict(preview.revisions) == {a: 1, b: 1}
    done = servicer.MergeCustomers(
        merges_pb2.MergeCustomersRequest(**wish, reason="same", revisions=preview.revisions), call
    )
    assert list(done.customer.merged_ids) == [b]
    assert servicer.GetCustomer(pb.GetCustomerRequest(customer_id=b), call).id == a
    listed = servicer.ListMerges(merges_pb2.ListMergesRequest(customer_id=b), call)
    assert [each.id for each in listed.merges] == [done.merge.id]
    [resolved] = servicer.ResolveCanonicalIds(
        identity_pb2.ResolveCanonicalIdsRequest(customer_ids=[b]), call
    ).canonical_ids
    assert (resolved.customer_id, resolved.canonical_id, resolved.epoch) == (b, a, 1)
    undone = servicer.UnmergeCustomers(merges_pb2.UnmergeCustomersRequest(merge_id=done.merge.id), call)
    assert [each.id for each in undone.customers] == [a, b]
    found = servicer.FindDuplicates(duplicates_pb2.FindDuplicatesRequest(draft=ada), call)
    assert list(found.duplicates) == []
    candidates = servicer.ListDuplicateCandidates(
        duplicates_pb2.ListDuplicateCandidatesRequest(customer_id=a, filter="state = REJECTED"), call
    )
    assert [list(each.customer_ids) for each in candidates.duplicate_candidates] == [sorted((a, b))]
    request = duplicates_pb2.DecideDuplicateCandidateRequest(
        candidate_id=candidates.duplicate_candidates[0].id, decision="DECISION_REOPEN"
    )
    assert servicer.DecideDuplicateCandidate(request, call).state == duplicates_pb2.DuplicateCandidate.STATE_OPEN
    fact = facts_pb2.PersonalFact(customer_id=b, topic="TOPIC_FAMILY", text="two cats")
    servicer.RecordFact(facts_pb2.RecordFactRequest(fact=fact), call)
    servicer.DecideDuplicateCandidate(request, call)
    servicer.MergeCustomers(merges_pb2.MergeCustomersRequest(**wish), call)
    assert [each.text for each in servicer.ListFacts(facts_pb2.ListFactsRequest(customer_id=a), call).facts] == [
        "two cats"
    ]
    with pytest.raises(FailedPrecondition, match="merged"):
        servicer.RecordFact(facts_pb2.RecordFactRequest(fact=fact), call)
    listed_transactions = servicer.ListTransactions(transactions_pb2.ListTransactionsRequest(customer_id=b), call)
    assert list(listed_transactions.transactions) == []


def test_what_was_placed_on_a_merged_customer_outlives_the_unmerge(people: People) -> None:
    a, b = people.create(), people.create()
    record = people.merge(a, b)
    privacy = Privacy(people.store.privacy)
    privacy.hold(b.id, "court order 4711", 0)
    Merges(people.store.identity).unmerge(record.id, "two people")
    held = people.store.customers.customers.get(b.id)
    assert held.legal_hold is not None
    with pytest.raises(FailedPrecondition, match="legal hold forbids"):
        Erasures(people.store.privacy).request(b.id, "letter", validate_only=False)
