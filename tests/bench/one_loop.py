"""One loop of a worker, or its bare counterpart, alone in a process on one core.

    python -m tests.bench.one_loop relay|publish|inbox|upsert <mongodb uri> <amqp uri> <number of events>

Prints events per second. The loops run as in a worker, under eventlet; the bare ones on plain Python.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and sys.argv[1] in ("relay", "inbox"):
    from libs.engine import green

    green.patch()

import threading
import time
from collections.abc import Sequence

import amqp
from pymongo import UpdateOne

from libs.chassis.inbox import Received, Subscription
from libs.chassis.store import Collection
from libs.engine import metrics
from libs.engine.bus import connect as bus_connect
from libs.engine.inbox.consumer import BATCH, Consumer
from libs.engine.lease import SWIFT, MongoLease
from libs.engine.loop import Loop
from libs.engine.outbox import EVENTS, Relay, event_headers
from libs.engine.store import MongoDatabase, connect
from tests.bench.load import SERVER_CORE, pin
from tests.support.ledger import (
    Account,
    Tally,
    events_pb2,
)

EXCHANGE, QUEUE = "ledger.events", "ledger.tally.0"


class Ledger:
    """The database of the little service."""

    def __init__(self, uri: str) -> None:
        self.database = MongoDatabase(connect(uri, "ledger"), "ledger", page_key=bytes(32), seal_key=bytes(32))
        self.accounts: Collection[Account] = self.database.collection(Account, "accounts")
        self.tallies: Collection[Tally] = self.database.collection(Tally, "tallies", publishes=False)

    def subscription(self) -> Subscription:
        """Counts the events of each account: the least that a reaction does."""
        return Subscription(
            name="tally",
            listens=[events_pb2.AccountOpened, events_pb2.AccountChanged],
            handle=self._count,
            partitions=1,
        )

    def _count(self, events: Sequence[Received]) -> None:
        self.tallies.upsert_many([(Tally(id=f"tal{event.entity_id[3:]}"), 1) for event in events], Tally.plus)


def relay(mongodb_uri: str, amqp_uri: str, events: int) -> float:
    """Publishes what waits in the database and clears it."""
    ledger = Ledger(mongodb_uri)
    lease = MongoLease(ledger.database.raw["leases"], "relay", f"bench/{os.getpid()}", SWIFT)
    loop = Relay(ledger.database, lambda: amqp_uri, lease)
    waiting = ledger.database.raw["accounts"]

    def all_done() -> bool:
        return waiting.find_one({"_pending_since": {"$exists": True}}, {"_id": 1}) is None

    return events / _run(loop, all_done)


def publish(mongodb_uri: str, amqp_uri: str, events: int) -> float:
    """The same bytes, published with plain py-amqp in confirmed batches, without any database."""
    found = list(connect(mongodb_uri, "ledger")["ledger"]["bodies"].find().limit(events))
    connection = bus_connect(amqp_uri, name="bench")
    channel = connection.channel()
    channel.confirm_select()
    waiting: set[int] = set()

    def acked(tag: int, multiple: bool) -> None:
        waiting.difference_update([t for t in waiting if t <= tag] if multiple else [tag])

    channel.events["basic_ack"].add(acked)
    begun = time.perf_counter()
    for start in range(0, len(found), EVENTS):
        part = found[start : start + EVENTS]
        waiting.update(range(start + 1, start + len(part) + 1))
        for each in part:
            headers = event_headers(entity_id=each["_id"], revision=1, tenant="bench", traceparent="")
            message = amqp.Message(each["body"], delivery_mode=2, message_id=each["id"], application_headers=headers)
            channel._basic_publish(message, EXCHANGE, each["type"], mandatory=True)
        while waiting:
            connection.drain_events(timeout=10)
    return len(found) / (time.perf_counter() - begun)


def inbox(mongodb_uri: str, amqp_uri: str, events: int) -> float:
    """Applies what waits in the queue: effect and dedupe, committed, then acknowledged."""
    ledger = Ledger(mongodb_uri)
    applied = metrics.INBOX_EVENTS.labels("tally", "applied")
    loop = Consumer(ledger.database, ledger.subscription(), lambda: amqp_uri, spawn=_green)
    return events / _run(loop, lambda: applied._value.get() >= events)


def upsert(mongodb_uri: str, amqp_uri: str, events: int) -> float:
    """As many bare upserts of the same effect, in majority-acknowledged batches of the same size."""
    client = connect(mongodb_uri, "ledger")
    tallies = client["ledger"]["bare_tallies"]
    ids = [found["_id"] for found in client["ledger"]["bodies"].find({}, {"_id": 1}).limit(events)]
    begun = time.perf_counter()
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        tallies.bulk_write([UpdateOne({"_id": id}, {"$inc": {"count": 1}}, upsert=True) for id in part], ordered=False)
    return len(ids) / (time.perf_counter() - begun)


def _run(loop: Loop, all_done: object) -> float:
    """Seconds from the moment the loop is ready until all is done."""
    threading.Thread(target=loop.run, daemon=True).start()
    while loop.why_not_ready() is not None:
        time.sleep(0.001)
    begun = time.perf_counter()
    while not all_done():  # type: ignore[operator]
        if time.perf_counter() - begun > 120:
            raise TimeoutError("the loop does not get done")
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    loop.stop()
    loop.wait(10)
    return seconds


def _green(work: object) -> object:
    import eventlet

    return eventlet.spawn_n(work)


if __name__ == "__main__":
    pin(os.getpid(), SERVER_CORE)
    side = {"relay": relay, "publish": publish, "inbox": inbox, "upsert": upsert}[sys.argv[1]]
    print(side(sys.argv[2], sys.argv[3], int(sys.argv[4])))
