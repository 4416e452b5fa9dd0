"""Every event a service published, in an append-only collection chained by hashes.

It is the audit trail, the change history of every entity, and the source of replay: the relay forgets what it has
published, the journal does not. Each tenant has a chain of its own, positions 1, 2, 3, …, whose entries carry

    hash = SHA-256(previous hash ‖ canonical entry)

so that a changed, removed or moved entry breaks the chain at a position that `verify` names. The worker of the service
feeds it through a subscription like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any, Final

import msgspec
from kehu.common.v1 import envelope_pb2
from pymongo.collection import Collection as RawCollection

from libs.chassis import context
from libs.chassis.filtering import to_mongo
from libs.chassis.inbox import Received, Subscription
from libs.chassis.paging import Order, Page, page_size, request_hash
from libs.chassis.store import Index
from libs.engine.bus import Outgoing, Publisher
from libs.engine.bus.topology import events_exchange
from libs.engine.crash import crash_point
from libs.engine.inbox.decoding import Everything, received
from libs.engine.outbox import event_headers
from libs.engine.store import MongoDatabase

COLLECTION: Final = "journal"
HEADS: Final = "journal_heads"
SUBSCRIPTION: Final = "journal"
INDEXES: Final = (
    Index(("position",), unique=True),
    Index(("entity_id", "revision")),
    Index(("time", "revision")),
)
START: Final = b"\0" * 32
"""Predecessor of the first entry of a chain."""
_COVERED: Final = (
    "_id",
    "tenant",
    "position",
    "entity_id",
    "revision",
    "type",
    "time",
    "actor",
    "changed_fields",
    "body",
)
"""The fields that the hash covers, in the order it covers them."""
_BATCH: Final = 500

Document = dict[str, Any]


class JournalBroken(Exception):
    """The chain of a tenant does not hold."""

    def __init__(self, tenant: str, position: int, what: str) -> None:
        super().__init__(f"journal of {tenant!r}, position {position}: {what}")
        self.tenant = tenant
        self.what = what
        self.position = position
        """The first position that is wrong."""


@dataclass(frozen=True, slots=True)
class Root:
    """The end of a chain. Kept elsewhere, it proves later that nothing before it was touched or cut off."""

    position: int
    hash: bytes


class Journal:
    """The journal of one service."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    @cached_property
    def _entries(self) -> RawCollection[Document]:
        return self._database.raw[COLLECTION]

    @cached_property
    def _heads(self) -> RawCollection[Document]:
        return self._database.raw[HEADS]

    def subscription(self) -> Subscription:
        """The subscription of the journal: every event of the service, in one partition, because a chain has one
        end."""
        return Everything(
            name=SUBSCRIPTION,
            listens=(),
            handle=self.append,
            partitions=1,
            remembers=False,
            service=self._database.service,
        )

    def append(self, events: Sequence[Received]) -> None:
        """Adds the events of one tenant that are not there yet, within the open transaction."""
        session, tenant = self._database.session, context.current().tenant
        unique = {event.id: event for event in events}
        for known in self._entries.find({"_id": {"$in": list(unique)}}, {"_id": 1}, session=session):
            del unique[known["_id"]]
        if not unique:
            return
        head = self._heads.find_one({"_id": tenant}, session=session) or {"position": 0, "hash": START}
        position, previous = head["position"], head["hash"]
        entries = []
        for event in unique.values():
            position += 1
            entry = _entry(event, position)
            entry["previous"], entry["hash"] = previous, _hash(previous, entry)
            previous = entry["hash"]
            entries.append(entry)
        self._entries.insert_many(entries, session=session)
        crash_point("journal.before_head")
        # A head written meanwhile aborts the transaction: as a write conflict, or as a duplicate key for the first one.
        self._heads.update_one(
            {"_id": tenant, "position": head["position"]},
            {"$set": {"position": position, "hash": previous}},
            upsert=True,
            session=session,
        )

    def root(self, tenant: str) -> Root:
        """The recorded end of a tenant's chain."""
        head = self._heads.find_one({"_id": tenant}) or {"position": 0, "hash": START}
        return Root(head["position"], head["hash"])

    def roots(self) -> dict[str, Root]:
        """Tenant → the recorded end of its chain."""
        return {head["_id"]: Root(head["position"], head["hash"]) for head in self._heads.find().sort("_id")}

    def verify(self, tenant: str, known: Sequence[Root] = ()) -> Root:
        """The end of the chain after every entry was checked. JournalBroken names the first position that is wrong.

        `known` are roots kept elsewhere: with them a chain that was rewritten as a whole is found as well.
        """
        return self.check(tenant, known)[0]

    def check(
        self, tenant: str, known: Sequence[Root] = (), *, after: int = 0, limit: int | None = None
    ) -> tuple[Root, bool]:
        """(the root up to which the chain was checked, beginning behind a position, true at the end of the chain).

        What is checked in parts rests on the hash at `after`: give it among the roots that are known.
        """
        newest = self._entries.find_one({"tenant": tenant}, {"position": 1}, sort=[("position", -1)])
        end = self.root(tenant)  # read after the newest entry, which an honest append writes together with it
        if newest is not None and newest["position"] > end.position:
            raise JournalBroken(tenant, end.position + 1, "was added behind the end")
        expected = {root.position: root.hash for root in (*known, end)}
        position, last = after, end.position if limit is None else min(end.position, after + limit)
        previous = self._hash_at(tenant, after, expected)
        within = {"tenant": tenant, "position": {"$gt": after, "$lte": last}}
        for entry in self._entries.find(within).sort("position").batch_size(_BATCH):
            position += 1
            if entry["position"] != position:
                what = "is missing" if entry["position"] > position else "is there twice"
                raise JournalBroken(tenant, position, what)
            if entry["previous"] != previous:
                raise JournalBroken(tenant, position, "does not follow the entry before it")
            if entry["hash"] != _hash(previous, entry):
                raise JournalBroken(tenant, position, "was changed")
            previous = entry["hash"]
            if expected.pop(position, previous) != previous:
                raise JournalBroken(tenant, position, "is not what the root tells")
        complete = last == end.position
        if position < (max([end.position, *expected]) if complete else last):
            raise JournalBroken(tenant, position + 1, "is missing")
        return Root(position, previous), complete

    def _hash_at(self, tenant: str, position: int, expected: Mapping[int, bytes]) -> bytes:
        """The hash of the entry that checking begins behind."""
        if position == 0:
            return START
        entry = self._entries.find_one({"tenant": tenant, "position": position}, {"hash": 1})
        if entry is None:
            raise JournalBroken(tenant, position, "is missing")
        found: bytes = entry["hash"]
        if expected.get(position, found) != found:
            raise JournalBroken(tenant, position, "is not what the root tells")
        return found

    def history(self, entity_id: str, *, size: int, token: str = "") -> Page[Received]:
        """The events of one entity of the tenant at hand, latest first. The message of each is its envelope, opened."""
        tenant, order = context.current().tenant, Order("-revision")
        bound_to = request_hash(f"journal\0{tenant}\0{entity_id}".encode())
        query: Document = {"tenant": tenant, "entity_id": entity_id}
        if token:
            query |= to_mongo(order.after(self._database.pager.open(token, bound_to, len(order.keys))))
        size = page_size(size)
        found = list(self._entries.find(query).sort(list(order.keys)).limit(size + 1))
        more = len(found) > size
        envelopes = [envelope_pb2.Envelope.FromString(entry["body"]) for entry in found[:size]]
        self._database.vault.open_envelopes(envelopes)
        return Page(
            [received(envelope, envelope) for envelope in envelopes],
            self._database.pager.seal(order.position(found[size - 1]), bound_to) if more else "",
        )

    def replay(
        self,
        publisher: Publisher,
        *,
        entity_id: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        types: Sequence[str] = (),
        exchange: str = "",
    ) -> int:
        """Publishes past events of the tenant at hand again, in their order and with their ids. Returns the number.

        Choose by entity, by time of the change (`since` included, `until` not) and by type. They go to every subscriber
        of the service, or to one of them: then `exchange` is `<service>.<subscription>.shard` and `types` are those it
        listens to. Repeats are recognised for 14 days, and for ever by consumers that compare revisions.
        """
        query: Document = {"tenant": context.current().tenant}
        if entity_id:
            query["entity_id"] = entity_id
        if since or until:
            query["time"] = {**({"$gte": since} if since else {}), **({"$lt": until} if until else {})}
        if types:
            query["type"] = {"$in": list(types)}
        to = exchange or events_exchange(self._database.service).name
        count = 0
        order = ["revision", "_id"] if entity_id else ["time", "revision", "_id"]
        entries = iter(self._entries.find(query).sort(order).batch_size(_BATCH))
        while chunk := list(islice(entries, _BATCH)):
            publisher.publish([_outgoing(entry, to) for entry in chunk])
            count += len(chunk)
        return count


def _entry(event: Received, position: int) -> Document:
    return {
        "_id": event.id,
        "tenant": event.tenant,
        "position": position,
        "entity_id": event.entity_id,
        "revision": event.revision,
        "type": event.type,
        "time": event.time.replace(microsecond=event.time.microsecond // 1000 * 1000),  # what MongoDB keeps
        "actor": event.actor,
        "changed_fields": list(event.changed_fields),
        "body": event.message.SerializeToString(),
    }


def _outgoing(entry: Mapping[str, Any], exchange: str) -> Outgoing:
    return Outgoing(
        exchange=exchange,
        key=entry["type"],
        body=entry["body"],
        id=entry["_id"],
        headers=event_headers(
            entity_id=entry["entity_id"], revision=entry["revision"], tenant=entry["tenant"], traceparent=""
        ),
    )


def _hash(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """SHA-256 over the hash before and the covered fields in MessagePack, which has one form for each value."""
    covered = [entry[name] for name in _COVERED]
    return hashlib.sha256(previous + msgspec.msgpack.encode(covered)).digest()
