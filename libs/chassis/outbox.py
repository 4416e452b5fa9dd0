"""The relay: takes the events that wait in their entities to the broker, then clears them.

Read, publish, clear: a crash anywhere repeats, nothing can skip. Events of an entity go out in the order of its
revisions, because they wait in its own document in that order and are never in two batches at a time. Only the holder
of a lease works; two of them would only repeat each other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pymongo
from pymongo.collection import Collection as RawCollection
from pymongo.errors import PyMongoError

from libs.chassis import identity, metrics, tracing
from libs.chassis.abandoned import end_abandoned_transactions
from libs.chassis.bus import BUS_ERRORS, Outgoing, Publisher, PublishFailed
from libs.chassis.bus.publisher import Batch
from libs.chassis.bus.topology import HASH_HEADER, events_exchange
from libs.chassis.crash import crash_point
from libs.chassis.lease import SWIFT, Lease
from libs.chassis.loop import Loop
from libs.chassis.store import MongoDatabase

EVENTS: Final = 500
"""Events in one batch, give or take those of its last entity."""
BYTES: Final = 4 * 1024**2
"""Bytes in one batch, give or take those of its last entity."""
IN_FLIGHT: Final = 2
"""Batches that are published and not yet cleared: the broker writes one while we clear the other."""
IDLE: Final = 0.025
"""Seconds between two looks when nothing waits."""
_LOOK_EVERY: Final = 1.0
_FOLLOW_EVERY: Final = SWIFT.try_after
_COUNTED: Final = 10_000
_WAITING: Final = {"_pending_since": {"$exists": True}}
_DATABASE_TIMEOUT: Final = 10.0

Document = dict[str, Any]


def event_headers(*, entity_id: str, revision: int, tenant: str, traceparent: str) -> dict[str, Any]:
    """What an event's message tells the broker and the curious; consumers rely on the envelope alone."""
    headers = {HASH_HEADER: entity_id, "x-seq": revision, "x-tenant": tenant}
    return {**headers, tracing.HEADER: traceparent} if traceparent else headers


@dataclass(frozen=True, slots=True)
class _Flight:
    """A batch on its way."""

    collection: RawCollection[Document]
    entities: Sequence[str]
    events: Sequence[str]
    batch: Batch


class Relay(Loop):
    """Publishes the events of one service to its exchange."""

    interruptions: ClassVar = (*BUS_ERRORS, PyMongoError)

    def __init__(
        self,
        database: MongoDatabase,
        amqp_uri: Callable[[], str],
        lease: Lease,
        *,
        events: int = EVENTS,
        idle: float = IDLE,
    ) -> None:
        super().__init__(f"{database.service}.relay")
        self._database = database
        self._exchange = events_exchange(database.service).name
        self._collections = [database.raw[name] for name in database.publishing_collections()]
        self._amqp_uri = amqp_uri
        self._lease = lease
        self._size = events
        self._idle = idle
        self._next_look = 0.0

    def _serve(self) -> None:
        try:
            self._relay()
        except PyMongoError:
            end_abandoned_transactions(self._database.client)
            raise

    def _relay(self) -> None:
        while not self.stopping.is_set():
            if self._leads():
                self._lead()
            else:
                # What waits is for the leader to tell.
                metrics.OUTBOX_OLDEST.set(0)
                metrics.OUTBOX_PENDING.set(0)
                self.ready()
                self.stopping.wait(_FOLLOW_EVERY)
        with pymongo.timeout(_DATABASE_TIMEOUT):
            self._lease.release()

    def _leads(self) -> bool:
        with pymongo.timeout(_DATABASE_TIMEOUT):
            return self._lease.hold()

    def _lead(self) -> None:
        """Works while the lease is held: keeps up to two batches in flight, sleeps when there is nothing."""
        self._observe()  # before the broker is asked for: without one, what waits grows old all the same
        with Publisher(self._amqp_uri(), name=self.name) as publisher:
            self.ready()
            flights: deque[_Flight] = deque()
            try:
                while not self.stopping.is_set() and self._leads():
                    self.beat()
                    self._observe()
                    departed = (flights or self._anything_waits()) and self._depart(publisher, flights)
                    # The oldest flight lands when the next one is up, or when there was nothing to send.
                    if flights and (len(flights) == IN_FLIGHT or not departed):
                        self._land(publisher, flights.popleft())
                    elif not departed:
                        publisher.tick()
                        self.stopping.wait(self._idle)
                while flights:
                    self._land(publisher, flights.popleft())
            except PublishFailed as failure:
                if failure.what in ("returned", "nacked"):
                    metrics.OUTBOX_RETURNED.inc()
                raise

    def _anything_waits(self) -> bool:
        """Looks at all collections at once, which is what an idle relay does all day."""
        first, *others = self._collections
        look: list[Document] = [{"$match": _WAITING}, {"$limit": 1}, {"$project": {"_id": 1}}]
        union: list[Document] = [{"$unionWith": {"coll": other.name, "pipeline": look}} for other in others]
        with pymongo.timeout(_DATABASE_TIMEOUT), first.aggregate([*look, *union]) as found:
            return next(found, None) is not None

    def _depart(self, publisher: Publisher, flights: deque[_Flight]) -> bool:
        """Sends one batch of each collection that has events waiting; whether there was any."""
        departed = False
        for collection in self._collections:
            if len(flights) == IN_FLIGHT:
                break
            busy = [id for flight in flights if flight.collection is collection for id in flight.entities]
            entities, messages = self._waiting(collection, busy)
            if messages:
                crash_point("relay.after_read")
                batch = publisher.send(messages)
                flights.append(_Flight(collection, entities, [message.id for message in messages], batch))
                departed = True
        if departed:
            # Whoever was not looked at this time comes first the next time.
            self._collections = [*self._collections[1:], self._collections[0]]
        return departed

    def _waiting(self, collection: RawCollection[Document], busy: Sequence[str]) -> tuple[list[str], list[Outgoing]]:
        """The entities that have waited longest, without those in flight, and all their events."""
        entities: list[str] = []
        messages: list[Outgoing] = []
        size = 0
        with (
            pymongo.timeout(_DATABASE_TIMEOUT),
            collection.find(
                {**_WAITING, **({"_id": {"$nin": list(busy)}} if busy else {})},
                {"_pending": 1, "tenant": 1},
            )
            .sort("_pending_since")
            .limit(self._size) as cursor,
        ):
            for document in cursor:
                entities.append(document["_id"])
                for waiting in document["_pending"]:
                    messages.append(self._message(document, waiting))
                    size += len(waiting["body"])
                if len(messages) >= self._size or size >= BYTES:
                    break
        return entities, messages

    def _message(self, document: Mapping[str, Any], waiting: Mapping[str, Any]) -> Outgoing:
        return Outgoing(
            exchange=self._exchange,
            key=waiting["type"],
            body=waiting["body"],
            id=waiting["id"],
            headers=event_headers(
                entity_id=document["_id"],
                revision=waiting["seq"],
                tenant=document["tenant"],
                traceparent=waiting.get("traceparent", ""),
            ),
        )

    def _land(self, publisher: Publisher, flight: _Flight) -> None:
        """Waits for the confirms of a batch, then clears what it held with one statement."""
        # Renewed meanwhile: a leader that a slow broker makes wait must not be joined by a second one.
        publisher.wait(flight.batch, meanwhile=self._leads)
        crash_point("relay.after_publish")
        metrics.OUTBOX_PUBLISHED.inc(len(flight.events))
        metrics.OUTBOX_CONFIRM_SECONDS.observe(flight.batch.latency)
        crash_point("relay.before_clear")
        with pymongo.timeout(_DATABASE_TIMEOUT):
            flight.collection.update_many({"_id": {"$in": list(flight.entities)}}, _without(flight.events))
        crash_point("relay.after_clear")

    def _observe(self) -> None:
        """Brings the gauges up to date, now and then."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        waiting, oldest = 0, identity.now()
        for collection in self._collections:
            with pymongo.timeout(_DATABASE_TIMEOUT):
                waiting += collection.count_documents(_WAITING, limit=_COUNTED)
                first = collection.find_one(_WAITING, {"_pending_since": 1}, sort=[("_pending_since", 1)])
            if first is not None:
                oldest = min(oldest, first["_pending_since"])
        metrics.OUTBOX_PENDING.set(waiting)
        metrics.OUTBOX_OLDEST.set((identity.now() - oldest).total_seconds())


def _without(published: Sequence[str]) -> list[Document]:
    """The update that removes published events, and the mark of the entity when none is left.

    By id and not by number: another relay, that believes it leads, may have removed some of them before.
    """
    rest = {"$filter": {"input": "$_pending", "cond": {"$not": [{"$in": ["$$this.id", list(published)]}]}}}
    oldest = {"$cond": [{"$eq": ["$_pending", []]}, "$$REMOVE", {"$first": "$_pending.at"}]}
    return [{"$set": {"_pending": rest}}, {"$set": {"_pending_since": oldest}}]
