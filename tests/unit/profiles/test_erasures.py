"""Erasure: who is asked, who answers, what is left, and what refuses it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.profiles.v1 import events_pb2 as events

from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.operations import Operation
from libs.engine.store.memory import MemoryCollection, MemoryDatabase
from libs.registry import ERASURE_PARTICIPANTS
from services.profiles.activity.application.facts import Facts
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.domain.facts import PersonalFact, Topic
from services.profiles.activity.domain.habits import Contact, Direction
from services.profiles.activity.domain.transactions import Money
from services.profiles.consent.application import Consents
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.application.relationships import Relationships
from services.profiles.customers.domain.addresses import Address
from services.profiles.customers.domain.contact_points import Channel
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.names import PersonName
from services.profiles.customers.domain.preferences import Preferences
from services.profiles.customers.domain.relationships import Relationship, RelationshipType
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.identity.domain.duplicates import BlockingKeys
from services.profiles.privacy.application.access import Privacy
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.privacy.domain.erasures import Erasure, ErasureReceipt, ErasureState, Records
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import timers
from services.profiles.worth.application.bulk import put
from services.profiles.worth.domain.models import ClvScore
from services.profiles.worth.domain.tiers import TierWatch
from tests.support.timers import tick
from tests.unit.profiles.builders import NOW, decision, email, organisation, person, phone

CANARY = "Zanzibar7731"
MAILBOX = f"{CANARY.lower()}@example.com"


@pytest.fixture
def ada(store: ProfilesStore) -> Customer:
    """A customer with a canary in every corner."""
    made = Customers(store.customers).create(
        person(
            names=(PersonName(given=CANARY, family="Lovelace"),),
            aliases=(f"{CANARY} the second",),
            contact_points=(email(MAILBOX), phone()),
            addresses=(Address(region_code="GB", lines=(f"{CANARY} road",)),),
            external_ids=(ExternalId(system="erp", id=CANARY),),
            labels={"nick": CANARY},
            preferences=Preferences(language_code="en"),
        )
    )
    Facts(store.activity).record(
        PersonalFact(id="", customer_id=made.id, topic=Topic.HOME_TOWN, text=f"grew up in {CANARY}")
    )
    Consents(store.consent).record(made.id, decision(contact_point=MAILBOX), within="receipt")
    boss = Customers(store.customers).create(organisation("Analytical Engines"))
    job = RelationshipType.EMPLOYED_BY
    Relationships(store.customers).add(
        Relationship(id="", from_customer_id=made.id, to_customer_id=boss.id, type=job, title=f"head of {CANARY}")
    )
    Privacy(store.privacy).reveal(made.id, f"to call {CANARY}")
    return made


def answer(**fields: Any) -> ErasureReceipt:
    return ErasureReceipt(**{"service": "interactions", "erase_time": NOW, "destroyed_keys": 3, **fields})


def answer_all(store: ProfilesStore, erasure: Erasure) -> None:
    """Every service that is awaited has nothing."""
    answers = [(erasure.id, answer(service=each, destroyed_keys=0)) for each in erasure.awaited_services]
    Erasures(store.privacy).take_answers(answers)


def receipt_of_profiles(done: Erasure) -> ErasureReceipt:
    [own] = [each for each in done.receipts if each.service == "profiles"]
    return own


def erase(store: ProfilesStore, customer_id: str) -> Erasure:
    """The whole way, with the other services answering at once."""
    begun = Erasures(store.privacy).request(customer_id, "letter 7", validate_only=False)
    Erasures(store.privacy).take_answers([(begun.id, answer(erased=(Records(kind="interactions", count=2),)))])
    answer_all(store, begun)
    assert tick(store.database, timers(store), "erasures") == 1
    return Erasures(store.privacy).status(erasure_id=begun.id)


def everything_stored(database: MemoryDatabase) -> str:
    """All documents as they lie in the store, with the events that wait in them."""
    return repr({n: c.documents for n, c in database.collections.items() if isinstance(c, MemoryCollection)})


def test_nothing_personal_lies_open_anywhere(database: MemoryDatabase, ada: Customer) -> None:
    stored = everything_stored(database)
    assert ada.id in stored
    assert CANARY.lower() not in stored.lower()
    assert "Lovelace" not in stored


def test_a_request_deletes_for_good_and_asks_everybody(
    database: MemoryDatabase, store: ProfilesStore, ada: Customer
) -> None:
    begun = Erasures(store.privacy).request(ada.id, "letter 7", validate_only=False)
    awaited = tuple(each for each in ERASURE_PARTICIPANTS if each != "profiles")
    assert (begun.state, begun.awaited_services, begun.requester) == (ErasureState.REQUESTED, awaited, "ada")
    assert begun.due_time == NOW + timedelta(hours=24)
    told = events.CustomerErasureRequested.FromString(database.events()[-1].data)
    assert (told.customer_id, told.erasure_id) == (ada.id, begun.id)
    customers = Customers(store.customers)
    assert customers.search(CANARY, 0) == []
    with pytest.raises(FailedPrecondition, match=begun.id):
        customers.undelete(ada.id, 0)
    with pytest.raises(FailedPrecondition, match=begun.id):
        Facts(store.activity).record(PersonalFact(id="", customer_id=ada.id, topic=Topic.OTHER, text="more"))
    assert Erasures(store.privacy).request(ada.id, "again", validate_only=False) == begun
    assert tick(store.database, timers(store), "erasures") == 0  # nobody has answered


def test_after_the_last_answer_a_skeleton_with_proof_is_left(store: ProfilesStore, ada: Customer) -> None:
    before = store.customers.customers.get(ada.id)
    done = erase(store, ada.id)
    left = store.customers.customers.get(ada.id)
    assert (left.display_name, left.names, left.contact_points, left.labels) == ("", (), (), {})
    assert (left.id, left.kind, left.erase_time, left.erasure_id) == (ada.id, ada.kind, NOW, done.id)
    assert (left.consent.count, left.consent.hash) == (before.consent.count, before.consent.hash)
    assert [fact.text for fact in store.privacy.holdings["fact"].on(ada.id)] == [""]
    assert [each.title for each in store.privacy.holdings["relationship"].on(ada.id)] == [""]
    assert [each.purpose_of_use for each in store.privacy.holdings["access"].on(ada.id)] == [""]
    [receipt] = store.consent.chain(ada.id)
    assert (receipt.contact_point, receipt.proof_ref) == ("", "form/1")
    assert Consents(store.consent).verify_chain(ada.id).intact


def test_the_receipts_tell_what_was_erased_and_what_was_kept(
    database: MemoryDatabase, store: ProfilesStore, ada: Customer
) -> None:
    done = erase(store, ada.id)
    own = receipt_of_profiles(done)
    assert [each.service for each in done.receipts] == sorted(ERASURE_PARTICIPANTS)
    counts = {each.kind: each.count for each in own.erased}
    assert counts == {"customers": 1, "facts": 1, "relationships": 1, "receipts": 1, "accesses": 1}
    assert own.destroyed_keys == 5
    assert {each.kind: (each.count, each.reason) for each in own.kept}["consent receipts"] == (
        1,
        "proof of what was agreed to",
    )
    assert done.certificate == done.computed_certificate() != ""
    told = events.CustomerErased.FromString(database.events()[-1].data)
    assert (told.erasure.certificate, told.customer.display_name) == (done.certificate, "")


def test_what_was_worked_out_about_a_customer_is_removed(store: ProfilesStore, ada: Customer) -> None:
    some = Money(currency_code="EUR", minor_units=1)
    score = ClvScore(
        id=ada.id,
        model_id="clv_1",
        repeat_count=1,
        last_weeks=1,
        age_weeks=2,
        alive_probability=0.5,
        considered_alive=True,
        expected_purchases=1,
        expected_spend=some,
        value=some,
        as_of_time=NOW,
    )
    put(store.worth.scores, [score])
    put(store.worth.watches, [TierWatch(id=ada.id, evaluation_count=1, since_time=NOW)])
    Habits(store.activity).learn(
        [(ada.id, Contact(id="int_1", channel=Channel.VOICE, direction=Direction.INBOUND, occurred_time=NOW))]
    )
    exported = dict(Privacy(store.privacy).everything(ada.id))
    assert exported["clv_score"] == store.worth.scores.get(ada.id)
    assert exported["tier_watch"] == store.worth.watches.get(ada.id)
    done = erase(store, ada.id)
    counts = {each.kind: each.count for each in receipt_of_profiles(done).erased}
    assert (counts["clv scores"], counts["tier watches"], counts["contact records"]) == (1, 1, 1)
    assert {each.kind for each in receipt_of_profiles(done).kept} >= {
        "consent receipts",
        "facts",
        "relationships",
        "accesses",
    }
    for collection in (store.worth.scores, store.worth.watches, store.activity.contacts):
        assert collection.find_by_id(ada.id) is None


def test_an_export_holds_what_was_recorded_under_every_id(store: ProfilesStore, ada: Customer) -> None:
    twin = Customers(store.customers).create(person(names=(PersonName(given=CANARY, family="Byron"),)))
    Facts(store.activity).record(PersonalFact(id="", customer_id=twin.id, topic=Topic.OTHER, text="of the twin"))
    Merges(store.identity).merge(Wish(survivor_id=ada.id, loser_ids=(twin.id,)), "", {})
    for asked in (ada.id, twin.id):
        records = list(Privacy(store.privacy).everything(asked))
        assert [each.id for kind, each in records if kind == "customer"] == [ada.id, twin.id]  # type: ignore[attr-defined]
        assert len([kind for kind, _ in records if kind == "fact"]) == 2


def test_events_of_the_past_tell_nothing_personal_any_more(
    database: MemoryDatabase, store: ProfilesStore, ada: Customer
) -> None:
    assert any(CANARY.encode() in event.data for event in database.events())
    ids = [event.id for event in database.events()]
    erase(store, ada.id)
    past = [event for event in database.events() if event.id in ids]
    assert len(past) == len(ids)
    assert not any(CANARY.encode() in event.data for event in past)


def test_an_answer_counts_once(store: ProfilesStore, ada: Customer) -> None:
    begun = Erasures(store.privacy).request(ada.id, "letter 7", validate_only=False)
    for receipt in (answer(), answer(destroyed_keys=0), answer(service="nobody")):
        Erasures(store.privacy).take_answers([(begun.id, receipt)])
    assert Erasures(store.privacy).status(customer_id=ada.id).receipts == (answer(),)


def test_a_legal_hold_forbids_it_until_it_is_released(store: ProfilesStore, ada: Customer, clock: FixedClock) -> None:
    privacy, erasures = Privacy(store.privacy), Erasures(store.privacy)
    held = privacy.hold(ada.id, "case 4711", 0)
    assert held.legal_hold is not None
    assert (held.legal_hold.reason, held.legal_hold.placed_by) == ("case 4711", "ada")
    assert privacy.hold(ada.id, "case 4711", 0).revision == held.revision
    for only in (True, False):
        with pytest.raises(FailedPrecondition, match="legal hold forbids"):
            erasures.request(ada.id, "letter 7", validate_only=only)
    privacy.release(ada.id, 0)
    assert erasures.request(ada.id, "letter 7", validate_only=True).state is ErasureState.REQUESTED
    with pytest.raises(NotFound):
        erasures.status(customer_id=ada.id)
    assert erasures.request(ada.id, "letter 7", validate_only=False).customer_id == ada.id


def test_who_was_merged_is_erased_too(store: ProfilesStore, ada: Customer) -> None:
    twin = Customers(store.customers).create(person(names=(PersonName(given=CANARY, family="Byron"),)))
    record, _ = Merges(store.identity).merge(Wish(survivor_id=ada.id, loser_ids=(twin.id,)), "", {})
    erasures = Erasures(store.privacy)
    begun = erasures.request(twin.id, "letter 7", validate_only=False)
    assert begun.customer_id == ada.id
    theirs = [erasures.status(customer_id=id) for id in (ada.id, twin.id)]
    for each in theirs:
        answer_all(store, each)
    assert tick(store.database, timers(store), "erasures") == 2
    left = store.identity.merges.get(record.id)
    assert (left.before.display_name, left.losers, left.loser_ids) == ("", (), (twin.id,))
    assert all(store.customers.customers.get(id).erase_time for id in (ada.id, twin.id))
    with pytest.raises(FailedPrecondition, match="is erased"):
        Merges(store.identity).unmerge(record.id, "")


def test_a_crash_in_the_middle_is_gone_on_from(store: ProfilesStore, ada: Customer) -> None:
    begun = Erasures(store.privacy).request(ada.id, "letter 7", validate_only=False)
    answer_all(store, begun)
    store.customers.customers.erase([ada.id])
    store.activity.facts.erase([each.id for each in store.privacy.holdings["fact"].on(ada.id)])
    assert tick(store.database, timers(store), "erasures") == 1
    assert Erasures(store.privacy).status(erasure_id=begun.id).state is ErasureState.ERASED
    assert tick(store.database, timers(store), "erasures") == 0


def test_a_look_needs_a_purpose(store: ProfilesStore, ada: Customer) -> None:
    with pytest.raises(InvalidArgument, match="purpose_of_use"):
        Privacy(store.privacy).reveal(ada.id, "   ")


def test_whatever_is_sealed_is_found_by_erasure(database: MemoryDatabase, store: ProfilesStore) -> None:
    """A new personal collection has to be named in `ProfilesStore._holdings`, or dealt with where it lives."""
    gone_through = {holding.collection.entity for holding in store.privacy.personal}
    assert set(database.vault.declared) == gone_through | {Customer, BlockingKeys, Erasure, Operation}
