"""The profiles service on a real MongoDB: every question on an index, races that end with one winner, and a chain of
receipts that shows what was done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import date
from typing import Any, cast
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from kehu.common.v1.envelope_pb2 import Envelope
from kehu.profiles.v1 import (
    activity_pb2,
    consent_pb2,
    contact_points_pb2,
    customer_pb2,
    facts_pb2,
    relationships_pb2,
    transactions_pb2,
)
from kehu.profiles.v1 import customers_pb2 as pb

from libs.chassis import context, identity
from libs.chassis.context import Command, Context
from libs.chassis.domain import AlreadyExists, FailedPrecondition
from libs.chassis.store import RequestIdReused
from libs.engine import journal
from libs.engine.inbox.decoding import received
from libs.engine.store import MongoDatabase, connect
from services.profiles.activity.application.transactions import Row, Transactions
from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.api import servicers
from services.profiles.consent.application import Consents
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.application.relationships import Relationships
from services.profiles.customers.domain.consents import Capture, ConsentReceipt, ConsentState, Purpose
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.names import PersonName
from services.profiles.customers.domain.relationships import Relationship, RelationshipType
from services.profiles.store import ProfilesStore
from tests.support.servicers import Methods

ACME = Context(tenant="acme", actor="ada", scopes=frozenset({"profiles.names.read"}))
THREADS = 12
CALL = cast(Any, None)
"""Servicers of ours never look at grpc's context."""


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[Any]:
    with connect(mongodb_uri, "profiles") as client:
        yield client


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(ACME):
        yield


@pytest.fixture
def store(client: Any) -> Iterator[ProfilesStore]:
    database = MongoDatabase(
        client, "profiles", page_key=bytes(32), seal_key=bytes(32), name=f"profiles_{uuid4().hex[:8]}"
    )
    store = ProfilesStore(database)
    database.keep(journal.COLLECTION, journal.INDEXES)
    database.migrate()
    yield store
    client.drop_database(database.raw.name)


@pytest.fixture
def database(store: ProfilesStore) -> MongoDatabase:
    return cast(MongoDatabase, store.database)


@pytest.fixture
def servicer(store: ProfilesStore, database: MongoDatabase) -> Methods:
    return Methods(servicers(store, journal.Journal(database).history))


def person(given: str = "Ada", family: str = "Lovelace", **fields: Any) -> Customer:
    return Customer(id="", kind=CustomerKind.PERSON, names=(PersonName(given=given, family=family),), **fields)


def sale(customer_id: str, key: str, units: int = 100) -> Transaction:
    return Transaction(
        id="",
        customer_id=customer_id,
        occurred_time=identity.now(),
        type=TransactionType.SALE,
        amount=Money(currency_code="EUR", minor_units=units),
        source="shop",
        source_key=key,
    )


def grant(purpose: Purpose = Purpose.MARKETING, proof: str = "form/1") -> ConsentReceipt:
    return ConsentReceipt(
        id="", purpose=purpose, state=ConsentState.GRANTED, capture=Capture.CUSTOMER_ACTION, proof_ref=proof
    )


def at_once(work: Callable[[int], Any], times: int = THREADS) -> list[Any]:
    """What `work` returns or raises when many threads start it together."""

    def run(n: int) -> Any:
        try:
            return work(n)
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(copy_context().run, run, n) for n in range(times)]]


def journal_everything(database: MongoDatabase) -> None:
    """What the relay and the worker do with the events that wait."""
    events = []
    for document in database.raw["customers"].find({"_pending": {"$exists": True}}):
        envelopes = [Envelope.FromString(each["body"]) for each in document["_pending"]]
        events += [received(envelope, envelope) for envelope in envelopes]
    with database.transaction():
        journal.Journal(database).append(events)
    database.raw["customers"].update_many({}, {"$unset": {"_pending": "", "_pending_since": ""}})


# ----------------------------------------------------------------------------------------------------- indexes


def ask_everything(servicer: Methods, ada: str, boss: str) -> None:
    """Every reading method, with every filter and order that has an index of its own."""
    for order in ("", "create_time", "update_time desc", "update_time"):
        servicer.ListCustomers(pb.ListCustomersRequest(order_by=order, page_size=5), CALL)
    for filter in ('owner = "ada"', "kind = HOUSEHOLD", "lifecycle = ACTIVE", 'create_time > "2040-01-01T00:00:00Z"'):
        servicer.ListCustomers(pb.ListCustomersRequest(filter=filter), CALL)
    phone = pb.LookupCustomerRequest.Point(type="TYPE_PHONE", value="0086 131 2345 6789", region_code="CN")
    external = customer_pb2.ExternalId(system="erp", id="7")
    for lookup in (pb.LookupCustomerRequest(contact_point=phone), pb.LookupCustomerRequest(external_id=external)):
        assert [each.id for each in servicer.LookupCustomer(lookup, CALL).customers] == [ada]
    assert [each.id for each in servicer.SearchCustomers(pb.SearchCustomersRequest(query="lovel"), CALL).customers] == [
        ada
    ]
    servicer.BatchGetCustomers(pb.BatchGetCustomersRequest(customer_ids=[ada, boss]), CALL)
    for customer_id, direction in ((ada, "DIRECTION_FROM"), (boss, "DIRECTION_TO")):
        lines = relationships_pb2.ListRelationshipsRequest(
            customer_id=customer_id, direction=direction, filter="type = REPORTS_TO"
        )
        assert len(servicer.ListRelationships(lines, CALL).relationships) == 1
    servicer.ListFacts(facts_pb2.ListFactsRequest(customer_id=ada), CALL)
    servicer.ListConsentReceipts(consent_pb2.ListConsentReceiptsRequest(customer_id=ada), CALL)
    assert servicer.VerifyConsentChain(consent_pb2.VerifyConsentChainRequest(customer_id=ada), CALL).intact
    for filter in ("", "type = SALE", 'occurred_time > "2020-01-01T00:00:00Z"'):
        sales = transactions_pb2.ListTransactionsRequest(customer_id=ada, filter=filter)
        assert len(servicer.ListTransactions(sales, CALL).transactions) == 20
    summary = servicer.GetTransactionSummary(transactions_pb2.GetTransactionSummaryRequest(customer_id=ada), CALL)
    assert (summary.count, summary.totals[0].amount.minor_units) == (20, 2000)
    servicer.GetContactHabits(activity_pb2.GetContactHabitsRequest(customer_id=ada), CALL)
    servicer.ListCustomerChanges(pb.ListCustomerChangesRequest(customer_id=ada), CALL)


def test_every_question_is_answered_by_an_index(
    store: ProfilesStore, database: MongoDatabase, servicer: Methods
) -> None:
    """MongoDB itself tells how it answered, with 300 other customers in the way."""
    others = [(str(n), lambda n=n: person(f"Zoe{n}", f"Zhang{n}", owner="zoe")) for n in range(300)]
    Customers(store.customers).import_rows(others)
    points = [
        contact_points_pb2.ContactPoint(type="TYPE_PHONE", raw="+8613123456789"),
        contact_points_pb2.ContactPoint(type="TYPE_EMAIL", raw="ada@example.com"),
    ]
    ada = customer_pb2.Customer(
        kind="KIND_PERSON",
        names=[customer_pb2.PersonName(given="Ada", family="Lovelace")],
        contact_points=points,
        external_ids=[customer_pb2.ExternalId(system="erp", id="7")],
        owner="ada",
    )
    ada_id = servicer.CreateCustomer(pb.CreateCustomerRequest(customer=ada), CALL).id
    boss_id = Customers(store.customers).create(person("Charles", "Babbage")).id
    Consents(store.consent).record(ada_id, grant(), within="receipt")
    sales = [sale(ada_id, str(n)) for n in range(20)]
    Transactions(store.activity).sum_up(sales)

    database.raw.command("profile", 2)
    Transactions(store.activity).record(
        [*(Row(each) for each in sales[1:]), Row(sale("", "0"), ExternalId(system="erp", id="7"))]
    )
    Relationships(store.customers).add(reports_to(ada_id, boss_id))
    ask_everything(servicer, ada_id, boss_id)
    database.raw.command("profile", 0)

    asked = list(database.raw["system.profile"].find({"op": "query", "ns": {"$not": {"$regex": "system"}}}))
    assert len(asked) > 25
    for each in asked:
        told = each["command"]["find"], each["command"].get("filter"), each["planSummary"]
        assert each["planSummary"].startswith(("IXSCAN", "IDHACK", "EOF")), told
        assert each["docsExamined"] <= each["nreturned"] + 1, told
        # A set that its query bounds is put in the order of ids; everything else comes in the order of its index.
        assert not each.get("hasSortStage") or each["command"]["sort"] == {"_id": 1}, told


def reports_to(left: str, right: str) -> Relationship:
    return Relationship(id="", from_customer_id=left, to_customer_id=right, type=RelationshipType.REPORTS_TO)


# ------------------------------------------------------------------------------------------------------- races


def test_of_many_customers_with_one_external_id_one_is_made(store: ProfilesStore) -> None:
    erp = (ExternalId(system="erp", id="7"), ExternalId(system="shop", id="a"))
    made = at_once(lambda n: Customers(store.customers).create(person(external_ids=erp[n % 2 :])))
    assert sorted({type(each).__name__ for each in made}) == ["Customer", "KeyTaken"]
    assert sum(isinstance(each, Customer) for each in made) == 1


def test_an_update_cannot_take_an_external_id(store: ProfilesStore) -> None:
    erp = (ExternalId(system="erp", id="7"),)
    Customers(store.customers).create(person(external_ids=erp))
    bob = Customers(store.customers).create(person("Bob"))
    with pytest.raises(AlreadyExists, match="an external id belongs to another customer"):
        Customers(store.customers).update(bob.id, lambda current: replace(current, external_ids=erp), bob.revision)


def test_decisions_at_once_take_their_places_one_after_the_other(store: ProfilesStore) -> None:
    ada = Customers(store.customers).create(person())
    purposes = [purpose for purpose in Purpose if purpose is not Purpose.SERVICE]
    recorded = at_once(lambda n: Consents(store.consent).record(ada.id, grant(purposes[n % 4], f"form/{n}"), within=""))
    assert {type(each) for each in recorded} == {ConsentReceipt}
    assert sorted(each.sequence for each in recorded) == list(range(1, THREADS + 1))
    assert Consents(store.consent).verify_chain(ada.id).checked_count == THREADS
    assert Consents(store.consent).verify_chain(ada.id).intact


def test_the_same_decision_told_at_once_is_recorded_once(store: ProfilesStore) -> None:
    ada = Customers(store.customers).create(person())

    def record(fingerprint: bytes) -> ConsentReceipt:
        with context.enter(Context(tenant="acme", actor="ada", command=Command("key", fingerprint))):
            return Consents(store.consent).record(ada.id, grant(), within="receipt")

    assert len({each.id for each in at_once(lambda _: record(b"same"))}) == 1
    assert Consents(store.consent).verify_chain(ada.id).checked_count == 1
    with pytest.raises(RequestIdReused):
        record(b"other")


def test_of_lines_that_would_close_a_circle_together_one_is_refused(store: ProfilesStore) -> None:
    people = [Customers(store.customers).create(person(f"P{n}")).id for n in range(4)]
    made = at_once(lambda n: Relationships(store.customers).add(reports_to(people[n], people[(n + 1) % 4])), times=4)
    refused = [each for each in made if isinstance(each, FailedPrecondition)]
    assert len(refused) == 1
    assert sum(isinstance(each, Relationship) for each in made) == 3


def test_transactions_told_at_once_are_recorded_once(store: ProfilesStore, database: MongoDatabase) -> None:
    ada = Customers(store.customers).create(person())
    rows = [Row(sale(ada.id, str(n))) for n in range(50)]
    outcomes = at_once(lambda _: Transactions(store.activity).record(rows))
    assert sum(outcome.created for each in outcomes for outcome in each) == 50
    assert not any(outcome.error for each in outcomes for outcome in each)
    assert database.raw["transactions"].count_documents({}) == 50


# ------------------------------------------------------------------------------------------- consent and change


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        (lambda receipts: receipts.update_one({"sequence": 2}, {"$set": {"proof_ref": "forged"}}), 2),
        (lambda receipts: receipts.update_one({"sequence": 2}, {"$set": {"channel": "SMS"}}), 2),
        (lambda receipts: receipts.delete_one({"sequence": 1}), 1),
        (lambda receipts: receipts.delete_one({"sequence": 3}), 3),
    ],
)
def test_a_hand_in_the_database_leaves_its_mark(
    store: ProfilesStore, database: MongoDatabase, tamper: Callable[[Any], None], broken: int
) -> None:
    ada = Customers(store.customers).create(person())
    for n, purpose in enumerate((Purpose.CARE, Purpose.MARKETING, Purpose.SURVEY)):
        Consents(store.consent).record(ada.id, grant(purpose, f"form/{n}"), within="receipt")
    assert Consents(store.consent).verify_chain(ada.id).intact
    tamper(database.raw["receipts"])
    check = Consents(store.consent).verify_chain(ada.id)
    assert (check.intact, check.broken_sequence) == (False, broken)


def test_a_receipt_that_cannot_be_stored_leaves_the_customer_alone(store: ProfilesStore) -> None:
    ada = Customers(store.customers).create(person())
    refusal = ConsentReceipt(id="", purpose=Purpose.CARE, state=ConsentState.DENIED, capture=Capture.STAFF_ENTRY)
    Consents(store.consent).record(ada.id, refusal, within="")
    again = ConsentReceipt(
        id="", purpose=Purpose.CARE, state=ConsentState.GRANTED, capture=Capture.STAFF_ENTRY, proof_ref="note"
    )
    with pytest.raises(FailedPrecondition, match="only an act of the customer"):
        Consents(store.consent).record(ada.id, again, within="receipt")
    assert store.customers.customers.get(ada.id).revision == 2
    assert Consents(store.consent).verify_chain(ada.id).intact


def test_changes_tell_who_changed_what_from_what_to_what(
    store: ProfilesStore, database: MongoDatabase, servicer: Methods
) -> None:
    ada = Customers(store.customers).create(person())
    with context.enter(Context(tenant="acme", actor="eve")):
        update = pb.UpdateCustomerRequest(
            customer=customer_pb2.Customer(id=ada.id, owner="eve", labels={"vip": "yes"}),
            update_mask=FieldMask(paths=["owner", "labels"]),
        )
        servicer.UpdateCustomer(update, CALL)
    Consents(store.consent).record(ada.id, grant(), within="receipt")
    servicer.DeleteCustomer(pb.DeleteCustomerRequest(customer_id=ada.id), CALL)
    journal_everything(database)

    pages, token = [], ""
    while True:
        request = pb.ListCustomerChangesRequest(customer_id=ada.id, page_size=3, page_token=token)
        page = servicer.ListCustomerChanges(request, CALL)
        pages.append(list(page.changes))
        token = page.next_page_token
        if not token:
            break
    changes = [change for page in pages for change in page]
    assert [len(page) for page in pages] == [3, 1]
    assert [(change.revision, change.actor) for change in changes] == [(4, "ada"), (3, "ada"), (2, "eve"), (1, "ada")]
    told = [
        {
            field.field: (getattr(field.before, field.field), getattr(field.after, field.field))
            for field in change.fields
        }
        for change in changes
    ]
    assert told[2] == {"owner": ("", "eve"), "labels": ({}, {"vip": "yes"})}
    assert set(told[0]) == {"delete_time", "purge_time"}
    assert set(told[1]) == {"consent"}
    assert told[3]["display_name"] == ("", "Ada Lovelace")
    assert changes[1].event_type == "kehu.profiles.consent.changed.v1"


def test_relationships_end_on_a_day(store: ProfilesStore, servicer: Methods) -> None:
    ada, boss = (Customers(store.customers).create(person(name)).id for name in ("Ada", "Charles"))
    line = Relationships(store.customers).add(reports_to(ada, boss))
    Relationships(store.customers).end(line.id, date(2026, 3, 31), 0)
    for day, count in ((31, 1), (1, 0)):
        request = relationships_pb2.ListRelationshipsRequest(customer_id=ada)
        request.on_date.year, request.on_date.month, request.on_date.day = 2026, 3 if day == 31 else 4, day
        assert len(servicer.ListRelationships(request, CALL).relationships) == count
