"""Duplicates and merges on a real MongoDB: races that end with one winner, questions on an index, exact undoing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from itertools import permutations
from random import Random
from typing import Any, cast
from uuid import uuid4

import pytest
from kehu.profiles.v1 import customer_pb2, duplicates_pb2, identity_pb2, merges_pb2

from libs.chassis import context
from libs.chassis.context import Context
from libs.chassis.domain import Conflict, DomainError, FailedPrecondition
from libs.engine.store import MongoDatabase, connect
from services.profiles.api import servicers
from services.profiles.customers.application.customers import Customers
from services.profiles.customers.domain.contact_points import ContactPoint, ContactPointType
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.names import PersonName
from services.profiles.identity.application.duplicates import LARGEST_BLOCK, Duplicates
from services.profiles.identity.application.merges import Merges, Wish
from services.profiles.identity.domain.merges import MergeRecord
from services.profiles.store import ProfilesStore
from tests.support.servicers import Methods

CALL = cast(Any, None)
"""Servicers of ours never look at grpc's context."""


@pytest.fixture(scope="module")
def client(mongodb_uri: str) -> Iterator[Any]:
    with connect(mongodb_uri, "profiles") as client:
        yield client


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ada")):
        yield


@pytest.fixture
def store(client: Any) -> Iterator[ProfilesStore]:
    name = f"profiles_{uuid4().hex[:8]}"
    database = MongoDatabase(client, "profiles", page_key=bytes(32), seal_key=bytes(32), name=name)
    store = ProfilesStore(database)
    database.migrate()
    yield store
    client.drop_database(database.raw.name)


def born(store: ProfilesStore, given: str, **fields: Any) -> Customer:
    name = PersonName(given=given, family="Lovelace")
    return Customers(store.customers).create(Customer(id="", kind=CustomerKind.PERSON, names=(name,), **fields))


def phone(raw: str) -> tuple[ContactPoint, ...]:
    return (ContactPoint(type=ContactPointType.PHONE, raw=raw),)


def at_once(*works: Any) -> list[Any]:
    """What each work returns or refuses when threads start them together."""
    gate = threading.Barrier(len(works))

    def run(work: Any) -> Any:
        gate.wait()
        try:
            return work()
        except DomainError as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return [each.result() for each in [pool.submit(copy_context().run, run, work) for work in works]]


def content(customer: Customer) -> Customer:
    return replace(customer, revision=0, create_time=None, update_time=None, merge_epoch=0)


def check_forest(store: ProfilesStore, people: list[Customer]) -> None:
    """Every id leads to who lives on in one step, and is listed there."""
    now = {each.id: each for each in store.customers.customers.batch_get([each.id for each in people])}
    for each in now.values():
        canonical = now[each.canonical_id]
        assert canonical.merged_into == ""
        assert (each.id in canonical.merged_ids) == (each.id != canonical.id)


@pytest.mark.parametrize("round", range(3))
def test_of_merges_in_a_circle_one_succeeds(store: ProfilesStore, round: int) -> None:
    """T-02: A<-B, B<-C and C<-A at once, each after a look at the same state."""
    merges = Merges(store.identity)
    a, b, c = (born(store, name) for name in ("Ann", "Bea", "Cleo"))
    revisions = {each.id: each.revision for each in (a, b, c)}

    def merge(survivor: Customer, loser: Customer) -> Any:
        wish = Wish(survivor_id=survivor.id, loser_ids=(loser.id,))
        return lambda: merges.merge(wish, "", {id: revisions[id] for id in wish.ids})

    told = at_once(merge(a, b), merge(b, c), merge(c, a))
    refused = [each for each in told if isinstance(each, DomainError)]
    assert len(refused) == 2
    assert all(isinstance(each, Conflict) for each in refused), "ABORTED"
    check_forest(store, [a, b, c])
    [epoch] = [each.epoch for record, _ in (each for each in told if isinstance(each, tuple)) for each in [record]]
    assert epoch == 1


def test_whatever_is_merged_and_undone_at_once_the_forest_stays_one(store: ProfilesStore) -> None:
    """Without revisions: some are refused because others were faster, and everything can be undone in the end."""
    merges, dice = Merges(store.identity), Random(7)
    people = [born(store, name) for name in ("Ann", "Bea", "Cleo", "Dora", "Eve", "Fay")]
    pairs = dice.sample(list(permutations(people, 2)), 12)

    def merge(survivor: Customer, loser: Customer) -> Any:
        return lambda: merges.merge(Wish(survivor_id=survivor.id, loser_ids=(loser.id,)), "", {})

    done: list[MergeRecord] = []
    for start in range(0, len(pairs), 4):
        told = at_once(*(merge(*pair) for pair in pairs[start : start + 4]))
        done += [each[0] for each in told if isinstance(each, tuple)]
        reasons = {each.reason_code for each in told if isinstance(each, DomainError)}
        assert reasons <= {"CUSTOMER_MERGED", "CUSTOMERS_CHANGED", "REVISION_MISMATCH", "TOO_MANY_WRITERS"}
        check_forest(store, people)
    assert Counter(each.epoch for each in done).most_common(1)[0][1] == 1
    for record in sorted(done, key=lambda each: -each.epoch):
        merges.unmerge(record.id, "")
    now = store.customers.customers.batch_get([each.id for each in people])
    assert [content(each) for each in now] == [content(each) for each in people]


def test_an_unmerge_happens_once(store: ProfilesStore) -> None:
    merges = Merges(store.identity)
    a, b = born(store, "Ann"), born(store, "Bea", external_ids=(ExternalId(system="erp", id="9"),))
    record, merged = merges.merge(Wish(survivor_id=a.id, loser_ids=(b.id,)), "", {})
    assert merged.external_ids == b.external_ids
    told = at_once(*[lambda: merges.unmerge(record.id, "")] * 4)
    assert sum(isinstance(each, tuple) for each in told) == 1
    assert all(isinstance(each, FailedPrecondition) for each in told if not isinstance(each, tuple))
    assert content(store.customers.customers.get(b.id)) == content(b)


def test_a_change_of_a_party_and_a_merge_do_not_lose_each_other(store: ProfilesStore) -> None:
    merges, customers = Merges(store.identity), Customers(store.customers)
    a, b = born(store, "Ann"), born(store, "Bea")
    told = at_once(
        lambda: merges.merge(Wish(survivor_id=a.id, loser_ids=(b.id,)), "", {}),
        *(
            lambda number=number: customers.add_contact_point(b.id, phone(f"+86 1380013800{number}")[0], 0)
            for number in range(4)
        ),
    )
    added = [each for each in told[1:] if isinstance(each, Customer)]
    now = store.customers.customers.get(b.id)
    assert len(now.contact_points) == len(added)
    if isinstance(told[0], tuple):
        points = {each.canonical for each in store.customers.customers.get(a.id).contact_points}
        assert points == {each.canonical for each in now.contact_points}
    else:
        assert isinstance(told[0], Conflict)


def test_every_question_about_identity_is_answered_by_an_index(store: ProfilesStore) -> None:
    """MongoDB itself tells how it answered, with 300 other customers and pairs in the way."""
    database = cast(MongoDatabase, store.database)
    servicer, duplicates = Methods(servicers(store, cast(Any, None))), Duplicates(store.identity)
    others = [born(store, f"Zoe{n % 150}", contact_points=phone(f"+86 138 0013 8{n:03d}")) for n in range(300)]
    for start in range(0, 300, LARGEST_BLOCK):
        duplicates.look_again([each.id for each in others[start : start + LARGEST_BLOCK]])
    a, b = born(store, "Ann", contact_points=phone("+86 131 2345 6789")), born(store, "Ann")

    database.raw.command("profile", 2)
    duplicates.look_again([a.id, b.id])
    draft = customer_pb2.Customer(kind="KIND_PERSON", names=[customer_pb2.PersonName(given="Ann", family="Lovelace")])
    servicer.FindDuplicates(duplicates_pb2.FindDuplicatesRequest(draft=draft), CALL)
    listed = servicer.ListDuplicateCandidates(duplicates_pb2.ListDuplicateCandidatesRequest(page_size=5), CALL)
    servicer.ListDuplicateCandidates(
        duplicates_pb2.ListDuplicateCandidatesRequest(page_size=5, filter="state = OPEN"), CALL
    )
    servicer.ListDuplicateCandidates(duplicates_pb2.ListDuplicateCandidatesRequest(page_size=5, customer_id=a.id), CALL)
    wish = {"survivor_id": a.id, "loser_ids": [b.id]}
    servicer.PreviewMerge(merges_pb2.PreviewMergeRequest(**wish), CALL)
    merge = servicer.MergeCustomers(merges_pb2.MergeCustomersRequest(**wish), CALL).merge
    servicer.ListMerges(merges_pb2.ListMergesRequest(customer_id=b.id), CALL)
    servicer.ResolveCanonicalIds(identity_pb2.ResolveCanonicalIdsRequest(customer_ids=[a.id, b.id]), CALL)
    servicer.UnmergeCustomers(merges_pb2.UnmergeCustomersRequest(merge_id=merge.id), CALL)
    database.raw.command("profile", 0)

    assert listed.next_page_token
    blocks = list(database.raw["system.profile"].find({"op": "command", "command.aggregate": 1}))
    assert len(blocks) == 3  # However many keys: for the batch, for the draft, and for the pair of the preview.
    for each in blocks:
        assert each["keysExamined"] + each["docsExamined"] < 200, each
    asked = list(database.raw["system.profile"].find({"op": "query", "ns": {"$not": {"$regex": "system"}}}))
    assert len(asked) > 20
    for each in asked:
        told = each["command"]["find"], each["command"].get("filter"), each["planSummary"]
        assert each["planSummary"].startswith(("IXSCAN", "IDHACK", "EOF")), told
        assert each["docsExamined"] <= each["nreturned"] + 1, told
        assert not each.get("hasSortStage") or each["command"]["sort"] == {"_id": 1}, told
