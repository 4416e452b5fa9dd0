"""Figures of worth: tiers and RFM of everybody, beside one bare aggregation of the same transactions."""

from __future__ import annotations

import multiprocessing
import random
import resource
import struct
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import bson
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from kehu.profiles.v1 import worth_pb2 as pb

from libs.chassis import context
from libs.chassis.codec import to_doc
from libs.chassis.context import Context
from libs.chassis.store import MongoDatabase, connect
from services.profiles.application.worth.tiers import TierEvaluations, Tiers
from services.profiles.domain.transactions import Money, Transaction, TransactionType
from services.profiles.domain.worth.tiers import TierPolicy
from services.profiles.store import ProfilesStore
from tests.bench.figures import Figure
from tests.bench.stage import Stage, clocked
from tests.support.jobs import MemoryJob

TENANT = "worthy"
EACH = 10
"""Transactions of one customer."""
_CUSTOMER, _KEY, _UNITS = 12_345_678, 987_654_321, 1_234_567_890
"""What stands in the template where its copies differ."""
_AT = datetime(2001, 2, 3, tzinfo=UTC)


def worth(stage: Stage) -> list[Figure]:
    """The evaluation in a process of its own, as a worker starts it: the first one, and one of known customers."""
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
    # Publishing what changed is the relay's work and has its own figure.
    stage.system.stop_one("profiles-worker")
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    child = spawn.Process(target=_compute, args=(stage.mongodb_uri, customers, there))
    child.start()
    there.close()
    first, again, megabytes = here.recv()
    child.join()
    with stage.mongo("profiles") as mongo:
        mongo["profiles"]["tier_assignments"].delete_many({"tenant": TENANT})
    stage.system.restart("profiles-worker")
    of = f"of {customers:,} customers, {customers * EACH:,} transactions, s"
    beside = "one bare aggregation by customer"
    return [
        Figure.growth(f"tiers and RFM {of}", bare, again, most=3.0, baseline=beside),
        # Every customer gets a tier and an event that tells of it, which no aggregation has to write.
        Figure.growth(f"the very first {of}", bare, first, most=8.0, baseline=beside),
        Figure.limit("most memory of the process that did it, MB", megabytes, most=1024.0),
    ]


def _compute(uri: str, customers: int, answer: Connection) -> None:
    with connect(uri, "profiles", patient=True) as mongo, context.enter(Context(tenant=TENANT, actor="bench")):
        store = ProfilesStore(MongoDatabase(mongo, "profiles", page_key=bytes(32), seal_key=bytes(32)))
        draft = TierPolicy(id="", name="bench", currency_code="EUR", review_date=date(2100, 1, 1))
        policy = Tiers(store).create_policy(draft)
        seconds = []
        for changed in (customers, 0):
            begun = time.perf_counter()
            found = TierEvaluations(store).run(MemoryJob(pb.EvaluateTiersRequest(tier_policy_id=policy.id)))
            seconds.append(time.perf_counter() - begun)
            table = store.worth.rfm_tables.get(found.evaluation.rfm_table_id)
            if (found.changed_count, table.customer_count) != (changed, customers):
                raise RuntimeError(f"{found.changed_count} tiers and {table.customer_count} scores of {customers}")
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
    dice = random.Random(7)

    def copies(first: int, last: int) -> Iterator[RawBSONDocument]:
        for number in range(first, last):
            amount = struct.pack("<q", int(dice.paretovariate(1.16) * 1000))
            yield RawBSONDocument(
                raw.replace(customer, b"%026d" % (number * 7919 % customers))
                .replace(key, b"%09d" % number)
                .replace(at, struct.pack("<q", start + number * step))
                .replace(units, amount)
            )

    with stage.mongo("profiles") as mongo:
        transactions: Any = mongo["profiles"]["transactions"]
        for first in range(0, count, 5_000):
            transactions.insert_many(copies(first, min(first + 5_000, count)), ordered=False)
        mongo.admin.command("fsync")  # the load's own writes are not to be paid by what is measured next
