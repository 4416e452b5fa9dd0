"""Figures of worth: tiers and RFM of everybody, beside one bare aggregation of the same transactions."""

from __future__ import annotations

import multiprocessing
import random
import resource
import struct
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection

import bson
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from kehu.profiles.v1 import tiers_pb2 as pb

from libs.chassis import context
from libs.chassis.codec import to_doc
from libs.chassis.context import Context
from libs.chassis.operations import to_message
from libs.engine.run.claims import Claims
from libs.engine.run.operate import operate
from libs.engine.store import MongoDatabase, connect
from services.profiles.activity.domain.transactions import Money, Transaction, TransactionType
from services.profiles.operations import operations
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.tiers import Tiers
from services.profiles.worth.domain.tiers import TierPolicy
from tests.bench.figures import Figure
from tests.bench.stage import Stage, clocked

TENANT = "worthy"
EACH = 10
"""Transactions of one customer."""
_CUSTOMER, _KEY, _UNITS = 12_345_678, 987_654_321, 1_234_567_890
"""What stands in the template where its copies differ."""
_LOADED_AT_ONCE = 10_000
_AT = datetime(2001, 2, 3, tzinfo=UTC)


def worth(stage: Stage) -> list[Figure]:
    """The operation in a process of its own, as a worker starts it: when nobody has a tier yet, and when all have.

    The baseline is what a program without any of this would do: one aggregation that groups the same transactions by
    customer, along the index that serves it best, with every row of its answer taken from the cursor.
    """
    customers = stage.customers or (20_000 if stage.quick else 1_000_000)
    _grow(stage, customers)
    with connect(stage.mongodb_uri, "profiles", patient=True) as mongo:
        transactions = mongo["profiles"]["transactions"]
        total = {"$group": {"_id": "$customer_id", "units": {"$sum": "$amount.minor_units"}}}

        def aggregate() -> None:
            found = sum(1 for _ in transactions.aggregate([{"$match": {"tenant": TENANT}}, total], allowDiskUse=True))
            if found != customers:
                raise RuntimeError(f"{found} of {customers} customers were found")

        bare = min(clocked(aggregate) for _ in range(2))
    # Publishing what changed is the relay's work and has its own figure; and nobody else may take the operation.
    stage.system.stop_one("profiles-worker")
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    child = spawn.Process(target=_compute, args=(stage.mongodb_uri, customers, there))
    child.start()
    there.close()
    first, again, megabytes = here.recv()
    child.join()
    with connect(stage.mongodb_uri, "profiles", patient=True) as mongo:
        mongo["profiles"]["tier_assignments"].delete_many({"tenant": TENANT})
    stage.system.restart("profiles-worker")
    of = f"{customers:,} customers, {customers * EACH:,} transactions, s"
    beside = "one bare aggregation by customer"
    return [
        Figure.growth(f"tiers and RFM of {of}", bare, again, most=3.0, baseline=beside),
        Figure.growth(
            "the same when nobody has a tier: each is written, with its event", bare, first, most=3.0, baseline=beside
        ),
        Figure.limit("most memory of the process that did both, MB", megabytes, most=1024.0),
    ]


def _compute(uri: str, customers: int, answer: Connection) -> None:
    with connect(uri, "profiles", patient=True) as mongo, context.enter(Context(tenant=TENANT, actor="bench")):
        store = ProfilesStore(MongoDatabase(mongo, "profiles", page_key=bytes(32), seal_key=bytes(32)))
        kinds = {kind.name: kind for kind in operations(store)}
        draft = TierPolicy(id="", name="bench", currency_code="EUR", review_date=date(2100, 1, 1))
        request = pb.EvaluateTiersRequest(tier_policy_id=Tiers(store.worth).create_policy(draft).id)
        seconds = []
        for expected in (customers, 0):
            id = store.operations.start("evaluate_tiers", request).id
            seconds.append(clocked(partial(operate, Claims(store.database), kinds, TENANT, id, threading.Event())))
            result = pb.EvaluateTiersResult()
            to_message(store.operations.get(id)).result.Unpack(result)
            table = store.worth.rfm_tables.get(result.evaluation.rfm_table_id)
            if (result.changed_count, table.customer_count) != (expected, customers):
                raise RuntimeError(f"{result.changed_count} tiers and {table.customer_count} scores of {customers}")
    answer.send((*seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _grow(stage: Stage, customers: int) -> None:
    """Puts sales of the last 300 days into the collection, in the order of time as they would have come."""
    template = Transaction(
        id=f"txn_{_KEY:026}",
        revision=1,
        create_time=_AT,
        update_time=_AT,
        customer_id=f"cus_{_CUSTOMER:026}",
        occurred_time=_AT,
        type=TransactionType.SALE,
        amount=Money(currency_code="EUR", minor_units=_UNITS),
        direct_cost=Money(currency_code="EUR", minor_units=500),
        product="filter",
        order_ref=f"order-{_KEY}",
        source="shop",
        source_key=f"sale-{_KEY}",
    )
    money = {"currency_code": "EUR", "minor_units": Int64(_UNITS)}
    raw = bson.encode({**to_doc(template), "tenant": TENANT, "amount": money})
    customer, key, at = f"{_CUSTOMER:026}".encode(), f"{_KEY}".encode(), struct.pack("<q", int(_AT.timestamp() * 1000))
    units = struct.pack("<q", _UNITS)
    start = int((datetime.now(UTC) - timedelta(days=300)).timestamp() * 1000)
    count = customers * EACH
    step = 299 * 86_400_000 // count

    def copies(first: int) -> Iterator[RawBSONDocument]:
        dice = random.Random(first)
        for number in range(first, min(first + _LOADED_AT_ONCE, count)):
            amount = struct.pack("<q", int(dice.paretovariate(1.16) * 1000))
            yield RawBSONDocument(
                raw.replace(customer, b"%026d" % (number * 7919 % customers))
                .replace(key, b"%09d" % number)
                .replace(at, struct.pack("<q", start + number * step))
                .replace(units, amount)
            )

    with stage.loading("transactions") as database, ThreadPoolExecutor(2) as pool:
        insert = partial(database["transactions"].insert_many, ordered=False)
        deque(pool.map(lambda first: insert(copies(first)), range(0, count, _LOADED_AT_ONCE)), maxlen=0)
