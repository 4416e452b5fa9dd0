"""An evaluation of everybody whose process is killed half-way, or that is cancelled, on a real MongoDB."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import pytest
from kehu.profiles.v1 import tiers_pb2 as pb

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.operations import CLAIM, Operation, OperationState, to_message
from libs.engine.run.claims import Claims
from libs.engine.run.operate import operate
from libs.engine.store import MongoDatabase, connect
from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.operations import operations
from services.profiles.store import ProfilesStore
from services.profiles.worth.application import tiers
from services.profiles.worth.application.tiers import Tiers
from services.profiles.worth.domain.tiers import TierPolicy

NOW = identity.now()
CUSTOMERS, STRETCH = 600, 10
ACME = Context(tenant="acme", actor="ada")


def opened(client: Any, name: str) -> ProfilesStore:
    return ProfilesStore(MongoDatabase(client, "profiles", page_key=bytes(32), seal_key=bytes(32), name=name))


@pytest.fixture
def stores(mongodb_uri: str) -> Iterator[list[ProfilesStore]]:
    """Two databases with the same transactions, a policy in each."""
    with connect(mongodb_uri, "profiles") as client, context.enter(ACME):
        stores = [opened(client, f"profiles_{uuid4().hex[:8]}") for _ in range(2)]
        for store in stores:
            cast(MongoDatabase, store.database).migrate()
            dice = random.Random(7)
            made = [
                Transaction(
                    id=identity.new_id("txn"),
                    customer_id=f"cus_{number % CUSTOMERS:026}",
                    occurred_time=NOW - timedelta(minutes=dice.randrange(60 * 24 * 300)),
                    type=dice.choice([TransactionType.SALE, TransactionType.SALE, TransactionType.REFUND]),
                    amount=Money(currency_code="EUR", minor_units=dice.randrange(100_000)),
                    source="erp",
                    source_key=str(number),
                )
                for number in range(CUSTOMERS * 2)
            ]
            store.activity.transactions.insert_many(
                [each.record(NOW) for each in made], keys=[each.key for each in made]
            )
        yield stores
        for store in stores:
            client.drop_database(cast(MongoDatabase, store.database).raw.name)


def start(store: ProfilesStore) -> str:
    draft = TierPolicy(id="", name=uuid4().hex, currency_code="EUR", review_date=NOW.date().replace(year=2100))
    request = pb.EvaluateTiersRequest(tier_policy_id=Tiers(store.worth).create_policy(draft).id)
    request.as_of_time.FromDatetime(NOW)
    return store.operations.start("evaluate_tiers", request).id


def work(store: ProfilesStore, id: str) -> None:
    operate(Claims(store.database), {kind.name: kind for kind in operations(store)}, "acme", id, threading.Event())


def work_in_a_process(uri: str, name: str, id: str) -> None:
    tiers.BATCH = STRETCH
    with connect(uri, "profiles") as client:
        work(opened(client, name), id)


def launched(mongodb_uri: str, store: ProfilesStore, id: str) -> Any:
    name = cast(MongoDatabase, store.database).raw.name
    child = multiprocessing.get_context("spawn").Process(target=work_in_a_process, args=(mongodb_uri, name, id))
    child.start()
    return child


def half_way(store: ProfilesStore, id: str) -> Operation:
    """The operation as soon as it has given some tiers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = store.operations.get(id)
        if found.total and found.done >= CUSTOMERS // 10:
            return found
        time.sleep(0.002)
    raise TimeoutError(f"{found.state}: {found.done} of {found.total}")


def left_behind(store: ProfilesStore) -> list[Any]:
    """What was given to each customer and how many events wait to tell of it, without ids that are drawn by lot."""
    raw = cast(MongoDatabase, store.database).raw
    return [
        (row["customer_id"], row["tier"], row["evidence"]["contribution"], row["revision"], len(row["_pending"]))
        for row in raw["tier_assignments"].find({}, sort=[("_id", 1)])
    ]


def result_of(operation: Operation) -> Any:
    result = pb.EvaluateTiersResult()
    assert to_message(operation).result.Unpack(result)
    return result


def test_one_that_was_killed_half_way_ends_like_one_that_was_left_alone(
    stores: list[ProfilesStore], mongodb_uri: str
) -> None:
    calm, killed = stores
    undisturbed, interrupted = start(calm), start(killed)
    work(calm, undisturbed)
    child = launched(mongodb_uri, killed, interrupted)
    half_way(killed, interrupted)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert 0 < len(left_behind(killed)) < CUSTOMERS
    assert killed.operations.get(interrupted).state is OperationState.RUNNING
    with identity.clock(identity.FixedClock(identity.now() + CLAIM + timedelta(seconds=1))):
        work(killed, interrupted)
    one, other = (s.operations.get(id) for s, id in ((calm, undisturbed), (killed, interrupted)))
    assert [each.state for each in (one, other)] == [OperationState.SUCCEEDED] * 2
    assert left_behind(killed) == left_behind(calm)
    assert len(left_behind(calm)) == one.done == other.done == other.total == CUSTOMERS
    first, second = result_of(one), result_of(other)
    assert second.evaluation.concentration == first.evaluation.concentration
    assert second.watched_count == first.watched_count
    tables = [s.worth.rfm_tables.get(r.evaluation.rfm_table_id) for s, r in ((calm, first), (killed, second))]
    assert tables[0].monetary == tables[1].monetary


def test_one_that_is_cancelled_ends_at_once_and_can_be_asked_for_again(
    stores: list[ProfilesStore], mongodb_uri: str
) -> None:
    store = stores[0]
    id = start(store)
    child = launched(mongodb_uri, store, id)
    half_way(store, id)
    store.operations.cancel(id)
    child.join(10)
    ended = store.operations.get(id)
    assert (ended.state, child.exitcode) == (OperationState.CANCELLED, 0)
    assert ended.done < CUSTOMERS
    again = start(store)
    work(store, again)
    assert store.operations.get(again).state is OperationState.SUCCEEDED
    assert {(revision, waiting) for *_, revision, waiting in left_behind(store)} == {(1, 1)}
    assert len(left_behind(store)) == CUSTOMERS
