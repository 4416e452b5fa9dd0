"""Segments, owners and entitlements on a real MongoDB: every question on an index, races that end as they should."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from google.rpc import code_pb2
from kehu.profiles.v1 import (
    contracts_pb2,
    customer360_pb2,
    entitlements_pb2,
    ownership_pb2,
    ownership_policies_pb2,
    segments_pb2,
)

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import FailedPrecondition
from libs.chassis.identity import FixedClock
from libs.chassis.paging import PageRequest
from libs.chassis.testing import MemoryJob
from libs.engine import journal
from libs.engine.store import MongoDatabase, connect
from services.profiles.activity.application.transactions import Transactions
from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.api import servicers
from services.profiles.contracts.application import Contracts
from services.profiles.contracts.domain import Contract
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.names import PersonName
from services.profiles.entitlements.application import Entitlements
from services.profiles.entitlements.domain import Basis, Entitlement, Period
from services.profiles.ownership.application.ownership import Ownerships
from services.profiles.ownership.application.policies import OwnershipPolicies, RunProgress, RunRequest
from services.profiles.ownership.domain.ownership import Hold, Ownership, OwnershipState
from services.profiles.ownership.domain.policies import OwnershipPolicy, PickRule, RecycleRule
from services.profiles.segments.application import EvaluationProgress, EvaluationRequest, EvaluationRun, Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.store import ProfilesStore
from services.profiles.subscriptions import timers
from tests.support.servicers import Methods

THREADS = 12
CALL = cast(Any, None)
"""Servicers of ours never look at grpc's context."""


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[Any]:
    with connect(mongodb_uri, "profiles") as client:
        yield client


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ada", scopes=frozenset({"*"}))):
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


def customers(store: ProfilesStore, count: int, **fields: Any) -> list[str]:
    def person() -> Customer:
        return Customer(id="", kind=CustomerKind.PERSON, names=(PersonName(given="Ada", family="Lovelace"),), **fields)

    outcomes = Customers(store.customers).import_rows([(str(uuid4()), person) for _ in range(count)])
    return [outcome.entity.id for outcome in outcomes if outcome.entity is not None]


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returns or raises when they start together."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(copy_context().run, run, work) for work in works]]


def claiming(store: ProfilesStore, actor: str, customer_id: str) -> Callable[[], Ownership]:
    def claim() -> Ownership:
        with context.enter(Context(tenant="acme", actor=actor)):
            return Ownerships(store.ownership).claim(customer_id)

    return claim


def segment(store: ProfilesStore, filter: str, key: str = "group") -> Segment:
    return Segments(store.segments).define(Segment(id="", key=key, filter=filter), 0, validate_only=False)


def members(store: ProfilesStore, key: str = "group") -> list[str]:
    return [each.customer_id for each in Segments(store.segments).members(key, PageRequest()).items]


# --------------------------------------------------------------------------------------------------- the pool


def test_of_many_who_claim_a_customer_one_gets_it(store: ProfilesStore) -> None:
    (ada,) = customers(store, 1)
    Ownerships(store.ownership).release(ada, "", 0)
    claimed = at_once(*(claiming(store, f"staff{n}", ada) for n in range(THREADS)))
    (winner,) = [each for each in claimed if isinstance(each, Ownership)]
    refused = [each for each in claimed if isinstance(each, FailedPrecondition)]
    assert len(refused) == THREADS - 1
    assert {each.metadata["blocks"] for each in refused} == {"NOT_POOLED"}
    assert store.customers.customers.get(ada).owner == winner.owner
    intervals = Ownerships(store.ownership).intervals(ada, PageRequest()).items
    assert [(each.owner, each.end_time) for each in intervals] == [(winner.owner, None)]
    counts = [Ownerships(store.ownership).load(f"staff{n}").customer_count for n in range(THREADS)]
    assert sorted(counts) == [0] * (THREADS - 1) + [1]


@pytest.mark.parametrize(("limits", "block"), [({"capacity": 3}, "CAPACITY"), ({"daily_limit": 3}, "DAILY_LIMIT")])
def test_limits_hold_for_who_claims_many_at_once(store: ProfilesStore, limits: dict[str, int], block: str) -> None:
    OwnershipPolicies(store.ownership).create(OwnershipPolicy(id="", **limits))
    pool = customers(store, 8)
    for id in pool:
        Ownerships(store.ownership).release(id, "", 0)
    claimed = at_once(*(claiming(store, "eve", id) for id in pool))
    assert sum(isinstance(each, Ownership) for each in claimed) == 3
    assert {each.metadata["blocks"] for each in claimed if isinstance(each, FailedPrecondition)} == {block}
    load = Ownerships(store.ownership).load("eve")
    assert (load.customer_count, load.pick_count) == (3, 3)


def test_a_run_and_a_hold_at_once_never_recycle_who_is_held(store: ProfilesStore) -> None:
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    with identity.clock(clock):
        ownerships = Ownerships(store.ownership)
        OwnershipPolicies(store.ownership).create(OwnershipPolicy(id="", recycle_rules=(RecycleRule(contact_days=30),)))
        ids = customers(store, 6, owner="bob")
        ownerships.follow(ids)
        clock.advance(timedelta(days=31))
        hold = Hold(key="negotiation", reason="offer", actor="")

        def place(id: str) -> Callable[[], Ownership]:
            return lambda: ownerships.hold(id, hold)

        at_once(
            lambda: OwnershipPolicies(store.ownership).run(MemoryJob(RunRequest(), RunProgress())),
            *(place(id) for id in ids),
        )
        for id in ids:
            latest = ownerships.get(id)
            told = [each for each in store.ownership.intervals.find(None, order="", limit=99) if each.customer_id == id]
            assert (latest.state is OwnershipState.POOLED) == (told[0].end_time is not None)
            assert bool(store.customers.customers.get(id).owner) == (latest.state is OwnershipState.OWNED)
        pooled = sum(ownerships.get(id).state is OwnershipState.POOLED for id in ids)
        assert ownerships.load("bob").customer_count == 6 - pooled


# --------------------------------------------------------------------------------------------------- segments


def sale(customer_id: str, key: str) -> Transaction:
    return Transaction(
        id="",
        customer_id=customer_id,
        occurred_time=identity.now(),
        type=TransactionType.SALE,
        amount=Money(currency_code="EUR", minor_units=100),
        source="shop",
        source_key=key,
    )


def test_judgements_that_overlap_see_each_other(store: ProfilesStore) -> None:
    """One half of the truth comes with a sale, the other with a change of the customer. Whoever is second sees both."""
    segment(store, "sale_count >= 1 AND owner = eve")
    for id in customers(store, 10):

        def buy(id: str = id) -> None:
            def react() -> None:
                Transactions(store.activity).sum_up([sale(id, id)])
                Segments(store.segments).follow([id], Source.TRANSACTIONS)

            store.database.transact(react)

        def change(id: str = id) -> None:
            Customers(store.customers).update(id, lambda customer: replace(customer, owner="eve"), 0)
            Segments(store.segments).follow([id], Source.CUSTOMER)

        assert at_once(buy, change) == [None, None]
    assert len(members(store)) == 10


def test_everybody_is_judged_while_customers_change(store: ProfilesStore) -> None:
    ids = customers(store, 250, owner="bob")
    segment(store, "owner = bob")

    def change() -> None:
        for id in ids[::25]:
            Customers(store.customers).update(id, lambda customer: replace(customer, owner="eve"), 0)
            Segments(store.segments).follow([id], Source.CUSTOMER)

    judged, changed = at_once(
        lambda: Segments(store.segments).evaluate_all(MemoryJob(EvaluationRequest(), EvaluationProgress())), change
    )
    assert (judged, changed) == (EvaluationRun(customer_count=250, segment_count=1), None)
    listed = Segments(store.segments).members("group", PageRequest(size=500)).items
    assert {each.customer_id for each in listed} == set(ids) - set(ids[::25])


# ------------------------------------------------------------------------------------------------------ 360


def test_a_section_that_waits_is_late_and_the_others_are_there(store: ProfilesStore, database: MongoDatabase) -> None:
    """The facts come out of a view of the database that sleeps."""
    (ada,) = customers(store, 1, owner="bob")
    Ownerships(store.ownership).follow([ada])
    sleep = {"$function": {"body": "function() { sleep(3000); return true; }", "args": [], "lang": "js"}}
    database.raw.drop_collection("facts")
    database.raw.create_collection("facts", viewOn="ownerships", pipeline=[{"$match": {"$expr": sleep}}])
    request = customer360_pb2.GetCustomer360Request(customer_id=ada)
    request.section_timeout.FromMilliseconds(700)
    started = time.monotonic()
    view = Methods(servicers(store, journal.Journal(database).history)).GetCustomer360(request, CALL)
    assert time.monotonic() - started < 2.5
    missing = {each.section: each.error.code for each in view.partial_sections}
    assert missing.pop(customer360_pb2.Customer360.SECTION_FACTS) == code_pb2.DEADLINE_EXCEEDED
    assert [*missing] == [customer360_pb2.Customer360.SECTION_INTERACTIONS], "nobody answers calls in this test"
    assert (view.customer.id, view.ownership.owner) == (ada, "bob")


# --------------------------------------------------------------------------------------------------- indexes


def test_every_question_is_answered_by_an_index(store: ProfilesStore, database: MongoDatabase) -> None:
    """MongoDB itself tells how it answered, with other customers in the way."""
    clock = FixedClock(datetime(2026, 5, 4, tzinfo=UTC))
    with identity.clock(clock):
        servicer, ownerships = Methods(servicers(store, journal.Journal(database).history)), Ownerships(store.ownership)
        ids = customers(store, 120, owner="bob")
        ada = ids[0]
        segment(store, "owner = bob AND days_since_create >= 0")
        segment(store, "days_since_create >= 1 AND net_sales.EUR > 0", "other")
        Segments(store.segments).follow(ids, Source.CUSTOMER)
        ownerships.follow(ids)
        OwnershipPolicies(store.ownership).create(
            OwnershipPolicy(id="", recycle_rules=(RecycleRule(contact_days=30),), pick_rules=(PickRule(settle_days=1),))
        )
        for id in ids[:5]:
            ownerships.release(id, "", 0)
        Contracts(store.contracts).add(
            Contract(id="", customer_id=ada, number="7", plan="care", valid_from_date=date(2026, 1, 1))
        )
        visit = Entitlement(
            id="",
            benefit="visit",
            basis=Basis.PLAN,
            subject="care",
            period=Period.YEAR,
            valid_from_date=date(2026, 1, 1),
        )
        Entitlements(store.entitlements).create(visit)
        clock.advance(timedelta(days=31))

        database.raw.command("profile", 2)
        listing: dict[str, Any] = {"page_size": 3}
        for name in ("group", "other"):
            servicer.ListSegmentMembers(segments_pb2.ListSegmentMembersRequest(segment=name, **listing), CALL)
        for retired in (False, True):
            servicer.ListSegments(segments_pb2.ListSegmentsRequest(show_retired=retired), CALL)
        servicer.PreviewSegment(segments_pb2.PreviewSegmentRequest(filter="owner = bob", sample_size=5), CALL)
        servicer.PreviewSegment(segments_pb2.PreviewSegmentRequest(filter="kind = HOUSEHOLD OR owner = eve"), CALL)
        servicer.ListPool(ownership_pb2.ListPoolRequest(**listing), CALL)
        servicer.ListOwnerIntervals(ownership_pb2.ListOwnerIntervalsRequest(customer_id=ada, **listing), CALL)
        servicer.ListOwnershipPolicies(ownership_policies_pb2.ListOwnershipPoliciesRequest(), CALL)
        servicer.GetOwnershipPolicy(ownership_policies_pb2.GetOwnershipPolicyRequest(version=1), CALL)
        servicer.ListContracts(contracts_pb2.ListContractsRequest(customer_id=ada), CALL)
        for filter in ("", "benefit = visit", "basis = PLAN", "subject = care"):
            servicer.ListEntitlements(entitlements_pb2.ListEntitlementsRequest(filter=filter), CALL)
        assert servicer.GetCustomer360(customer360_pb2.GetCustomer360Request(customer_id=ada), CALL).segments
        for timer in timers(store):
            timer.due.find(identity.now())
        Segments(store.segments).evaluate_all(MemoryJob(EvaluationRequest(), EvaluationProgress()))
        OwnershipPolicies(store.ownership).run(MemoryJob(RunRequest(validate_only=True), RunProgress()))
        database.raw.command("profile", 0)

        ours = "segments|segment_|ownerships|owner_|ownership_|contracts|entitlements|customers"
        namespace = {"$regex": f"^{database.raw.name}\\.({ours})"}
        asked = list(database.raw["system.profile"].find({"op": "query", "ns": namespace}))
        assert len(asked) > 40
        for each in asked:
            told = each["command"]["find"], each["command"].get("filter"), each["planSummary"]
            assert each["planSummary"].startswith(("IXSCAN", "IDHACK", "EOF")), told
            assert each["docsExamined"] <= each["nreturned"] + 1, told
            assert not each.get("hasSortStage") or each["command"]["sort"] == {"_id": 1}, told
