"""The service `ledger` with a database and queues of its own, so that tests do not meet each other's events."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import amqp
from pymongo import MongoClient

from libs.chassis import identity
from libs.chassis.context import Context, enter
from libs.chassis.inbox import Received, Subscription
from libs.engine import journal
from libs.engine.bus import Outgoing, Publisher, body_of, close, connect, service_topology
from libs.engine.bus.topology import aside_queues, shard_exchange
from libs.engine.inbox import effects
from libs.engine.inbox.consumer import Consumer
from libs.engine.inbox.decoding import route_of
from libs.engine.inbox.fates import Schedule
from libs.engine.inbox.parked import DeadQueue
from libs.engine.lease import SWIFT, MongoLease
from libs.engine.outbox import Relay, event_headers
from libs.engine.store import MongoDatabase
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore, subscriptions, tally_id

TENANT = Context(tenant="acme", actor="tester")
QUICK = Schedule(tiers=(timedelta(milliseconds=100), timedelta(milliseconds=300)))


class Station:
    """A little world: accounts, a subscription that counts their events, and what carries them."""

    def __init__(self, client: MongoClient[dict[str, Any]], amqp_uri: str, *, partitions: int = 2) -> None:
        name = uuid4().hex[:8]
        self.amqp_uri = amqp_uri
        self.database = MongoDatabase(client, "ledger", page_key=bytes(32), seal_key=bytes(32), name=f"ledger_{name}")
        self.store = LedgerStore(self.database)
        for bookkeeping in (effects, journal):
            self.database.keep(bookkeeping.COLLECTION, bookkeeping.INDEXES)
        self.database.migrate()
        self.journal = journal.Journal(self.database)
        [self.subscription] = subscriptions(self.store, name=name, partitions=partitions)
        self.queues = route_of(self.subscription).queues("ledger")
        self.schedule = QUICK
        with self.channel() as channel:
            service_topology("ledger", [route_of(self.subscription)], QUICK.tiers).declare(channel.connection)

    def close(self) -> None:
        """Removes the queues and the database."""
        with self.channel() as channel:
            for queue in (*self.queues, *aside_queues("ledger", self.subscription.name, QUICK.tiers)):
                channel.queue_delete(queue)
            channel.exchange_delete(shard_exchange("ledger", self.subscription.name))
        self.database.client.drop_database(self.database.raw.name)

    def clear(self) -> None:
        """Forgets every document and every message."""
        for name in self.database.raw.list_collection_names():
            self.database.raw[name].delete_many({})
        self.schedule = QUICK
        with self.channel() as channel:
            for queue in (*self.queues, *aside_queues("ledger", self.subscription.name, QUICK.tiers)):
                channel.queue_purge(queue)

    @contextmanager
    def channel(self) -> Iterator[amqp.Channel]:
        """A channel for a look behind the scenes."""
        connection = connect(self.amqp_uri, name="test")
        try:
            yield connection.channel()
        finally:
            close(connection)

    def relay(self, **options: Any) -> Relay:
        """The relay of this world; each has a lease of its own unless `lease` is given."""
        lease = options.pop("lease", None) or MongoLease(self.database.raw["leases"], uuid4().hex, "test", SWIFT)
        return Relay(self.database, lambda: self.amqp_uri, lease, **options)

    def consumer(self, handle: Callable[[Sequence[Received]], None] | None = None, **options: Any) -> Consumer:
        """A consumer of the subscription, with another reaction if `handle` is given."""
        given = self.subscription
        subscription = Subscription(
            name=given.name,
            listens=given.listens,
            partitions=given.partitions,
            ordered=options.pop("ordered", True),
            handle=handle or given.handle,
        )
        return Consumer(self.database, subscription, lambda: self.amqp_uri, **{"schedule": self.schedule, **options})

    def open(self, *names: str, tenant: str = "acme") -> list[str]:
        """Opens accounts, one event each. Their ids."""
        with enter(Context(tenant=tenant, actor="tester")):
            accounts = [Account(id=identity.new_id("acc"), name=name) for name in names]
            return [self.store.accounts.insert(account.open()).id for account in accounts]

    def deposit(self, id: str, times: int = 1) -> None:
        """Changes an account, one event each time."""
        with enter(TENANT):
            for _ in range(times):
                self.store.accounts.update(id, lambda account: account.deposit(1))

    def waiting(self) -> list[Outgoing]:
        """The events that wait in their entities, as the relay would send them."""
        return [
            Outgoing(
                exchange=shard_exchange("ledger", self.subscription.name),
                key=event["type"],
                body=event["body"],
                id=event["id"],
                headers=event_headers(
                    entity_id=document["_id"], revision=event["seq"], tenant=document["tenant"], traceparent=""
                ),
            )
            for document in self.database.raw["accounts"].find({"_pending_since": {"$exists": True}})
            for event in document["_pending"]
        ]

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Sends messages straight to the subscription."""
        with Publisher(self.amqp_uri, name="test") as publisher:
            publisher.publish(messages)

    def counts(self) -> dict[str, int]:
        """Account id → how often its events had an effect."""
        return {t["_id"].replace("tal_", "acc_"): t["count"] for t in self.database.raw["tallies"].find()}

    def count(self, id: str) -> int:
        """How often the events of one account had an effect."""
        found = self.database.raw["tallies"].find_one({"_id": tally_id(id)})
        return found["count"] if found else 0

    def depth(self, *queues: str) -> int:
        """Messages that are ready in the queues, by default the work queues."""
        with self.channel() as channel:
            return sum(channel.queue_declare(queue, passive=True).message_count for queue in queues or self.queues)

    def left_over(self) -> list[bytes]:
        """What a consumer of the work queues would still get."""
        found: list[bytes] = []
        with self.channel() as channel:
            for queue in self.queues:
                channel.basic_consume(queue, callback=lambda message: found.append(body_of(message)))
            with contextlib.suppress(TimeoutError):
                while True:
                    channel.connection.drain_events(timeout=0.5)
        return found

    def dead(self) -> DeadQueue:
        """The operator's view of what was parked."""
        return DeadQueue(self.database, self.subscription.name, lambda: self.amqp_uri, actor="operator")
