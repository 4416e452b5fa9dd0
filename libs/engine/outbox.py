"""The relay: takes the events that wait in their entities to the broker, then clears them.

It looks again and again while events come, and is woken by a change stream of the database when none does.

Read, publish, clear: a crash anywhere repeats, nothing can skip. Events of an entity go out in the order of its
revisions, because they wait in its own document in that order and are never in two batches at a time. Only the holder
of a lease works; two of them would only repeat each other.

A queue that is full refuses an event for all who listen. Its entity is then held, marked with the type of that event,
while the others pass; what is held is tried again a little at a time (`Backoff`), because every try is a repeat for the
queues that took it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pymongo
from pymongo.collection import Collection as RawCollection
from pymongo.errors import PyMongoError

from libs import tracing
from libs.chassis import identity
from libs.engine import logs, metrics
from libs.engine.abandoned import end_abandoned_transactions
from libs.engine.backoff import Backoff
from libs.engine.bus import BUS_ERRORS, Outgoing, Publisher
from libs.engine.bus.publisher import Batch
from libs.engine.bus.topology import HASH_HEADER, events_exchange
from libs.engine.crash import crash_point
from libs.engine.lease import SWIFT, Lease
from libs.engine.loop import Loop
from libs.engine.store import MongoDatabase

Document = dict[str, Any]

EVENTS: Final = 500
"""Events in one batch, give or take those of its last entity."""
BYTES: Final = 4 * 1024**2
"""Bytes in one batch, give or take those of its last entity."""
IN_FLIGHT: Final = 2
"""Batches that are published and not yet cleared: the broker writes one while we clear the other."""
IDLE: Final = 0.025
"""Seconds between two looks when nothing waits, while events were seen a moment ago."""
ASLEEP_AFTER: Final = 1.0
"""Seconds without an event after which the database is left to wake the relay."""
_AWAIT: Final = 400
"""Milliseconds that a sleeping relay waits to be woken at a time, because it has a lease and a connection to keep."""
_STORED: Final[list[Document]] = [
    {
        "$match": {
            "operationType": {"$in": ["insert", "update", "replace"]},
            "$or": [
                {"fullDocument._pending_since": {"$exists": True}},
                {"updateDescription.updatedFields._pending_since": {"$exists": True}},
            ],
        }
    },
    {"$project": {"_id": 1}},
]
"""The changes that leave an event waiting."""
_LOOK_EVERY: Final = 1.0
_FOLLOW_EVERY: Final = SWIFT.try_after
_COUNTED: Final = 10_000
_LOOK_FOR_HELD_EVERY: Final = 30.0
_WAITING: Final = {"_pending_since": {"$exists": True}}
_DATABASE_TIMEOUT: Final = 10.0

log = logs.get(__name__)


def event_headers(*, entity_id: str, revision: int, tenant: str, traceparent: str) -> dict[str, Any]:
    """Headers of an event's message, for the broker and the curious. Consumers rely on the envelope alone."""
    headers = {HASH_HEADER: entity_id, "x-seq": revision, "x-tenant": tenant}
    return {**headers, tracing.HEADER: traceparent} if traceparent else headers


@dataclass(frozen=True, slots=True)
class _Flight:
    """A batch on its way."""

    collection: RawCollection[Document]
    events: Mapping[str, Sequence[Outgoing]]
    """Entity → its events, in order."""
    batch: Batch
    held_by: str | None
    """The type of event for which its entities were held, until now."""


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
        self._next_look_for_held = 0.0
        self._quiet_since = time.monotonic()
        self._backoffs: dict[tuple[str, str], Backoff] = {}
        """(collection, type of a refused event) → how it is tried again."""

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
                self._tell(0, 0.0)  # what waits is for the leader to tell
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
            while self._goes_on():
                self._observe()
                departed = (flights or self._anything_waits()) and self._depart(publisher, flights)
                if departed:
                    self._quiet_since = time.monotonic()
                # The oldest flight lands when the next one is up, or when there was nothing to send.
                if flights and (len(flights) == IN_FLIGHT or not departed):
                    self._land(publisher, flights.popleft())
                elif not departed and time.monotonic() - self._quiet_since < ASLEEP_AFTER:
                    publisher.tick()
                    self.stopping.wait(self._idle)
                elif not departed:
                    self._sleep(publisher)
            while flights:
                self._land(publisher, flights.popleft())

    def _goes_on(self) -> bool:
        """True while this relay leads and is not told to stop. Shows that it lives and finds what others held."""
        if self.stopping.is_set() or not self._leads():
            return False
        self.beat()
        self._look_for_held()
        return True

    def _sleep(self, publisher: Publisher) -> None:
        """Returns when an event may wait. The stream is open before the last look, so nothing falls between the two."""
        with pymongo.timeout(_DATABASE_TIMEOUT):
            stored = self._database.raw.watch(_STORED, max_await_time_ms=_AWAIT)
        with stored:
            asleep = not self._anything_waits()
            if asleep:
                self._tell(0, 0.0)
            while asleep and self._goes_on():
                if self._backoffs:
                    self._observe()
                publisher.tick()
                # Without `pymongo.timeout`, which would take the place of the time to wait.
                asleep = stored.try_next() is None and stored.alive and not self._retries()
        self._quiet_since = time.monotonic()

    def _retries(self) -> bool:
        """True when it is time to try again what is held."""
        return any(backoff.due for backoff in self._backoffs.values())

    def _anything_waits(self) -> bool:
        """Looks at all collections at once."""
        if self._retries():
            return True
        first, *others = self._collections
        look: list[Document] = [{"$match": _free()}, {"$limit": 1}, {"$project": {"_id": 1}}]
        union: list[Document] = [{"$unionWith": {"coll": other.name, "pipeline": look}} for other in others]
        with pymongo.timeout(_DATABASE_TIMEOUT), first.aggregate([*look, *union]) as found:
            return next(found, None) is not None

    def _depart(self, publisher: Publisher, flights: deque[_Flight]) -> bool:
        """Sends what is held and due, then one batch of each collection that has events waiting."""
        before = len(flights)
        due = [key for key, backoff in self._backoffs.items() if backoff.due]
        for collection, held_by in (*due, *((collection.name, None) for collection in self._collections)):
            if len(flights) == IN_FLIGHT:
                break
            events = self._waiting(self._database.raw[collection], held_by, flights)
            if events:
                crash_point("relay.after_read")
                batch = publisher.send([event for waiting in events.values() for event in waiting])
                flights.append(_Flight(self._database.raw[collection], events, batch, held_by))
            elif held_by is not None:
                del self._backoffs[collection, held_by]
        if len(flights) > before:
            # Whoever was not looked at this time comes first the next time.
            self._collections = [*self._collections[1:], self._collections[0]]
        return len(flights) > before

    def _waiting(
        self, collection: RawCollection[Document], held_by: str | None, flights: Iterable[_Flight]
    ) -> dict[str, list[Outgoing]]:
        """All events of the entities that have waited longest, without those in flight."""
        query, limit = _free(), self._size
        if held_by is not None:
            backoff = self._backoffs[collection.name, held_by]
            query, limit = _held(held_by), backoff.size
            if backoff.refuses:
                # The oldest may wait for one full partition of many, so anyone is asked.
                query = {"_id": {"$in": self._some_of(collection, held_by, limit)}}
        busy = [id for flight in flights if flight.collection == collection for id in flight.events]
        if busy:
            query = {"$and": [query, {"_id": {"$nin": busy}}]}
        found: dict[str, list[Outgoing]] = {}
        events = size = 0
        with (
            pymongo.timeout(_DATABASE_TIMEOUT),
            collection.find(query, {"_pending": 1, "tenant": 1}).sort("_pending_since").limit(limit) as cursor,
        ):
            for document in cursor:
                found[document["_id"]] = [self._message(document, waiting) for waiting in document["_pending"]]
                events += len(document["_pending"])
                size += sum(len(waiting["body"]) for waiting in document["_pending"])
                if events >= self._size or size >= BYTES:
                    break
        return found

    @staticmethod
    def _some_of(collection: RawCollection[Document], held_by: str, count: int) -> list[str]:
        """Ids of some of the held entities, by chance."""
        steps: list[Document] = [
            {"$match": _held(held_by)},
            {"$limit": _COUNTED},
            {"$sample": {"size": count}},
            {"$project": {"_id": 1}},
        ]
        with pymongo.timeout(_DATABASE_TIMEOUT), collection.aggregate(steps) as found:
            return [document["_id"] for document in found]

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
        """Waits for the confirms of a batch, then clears what passed and holds the entities of what did not."""
        # Renewed meanwhile: a leader that a slow broker makes wait must not be joined by a second one.
        publisher.wait(flight.batch, meanwhile=self._leads)
        crash_point("relay.after_publish")
        published: list[str] = []
        held: dict[str | None, list[str]] = {None: []}
        for entity, events in flight.events.items():
            refused = next((number for number, event in enumerate(events) if event.id in flight.batch.refused), None)
            # What comes after a refused event waits with it: order.
            published += [event.id for event in events[:refused]]
            held.setdefault(None if refused is None else events[refused].key, []).append(entity)
        metrics.OUTBOX_PUBLISHED.inc(len(published))
        metrics.OUTBOX_RETURNED.inc(len(flight.batch.refused))
        metrics.OUTBOX_CONFIRM_SECONDS.observe(flight.batch.latency)
        crash_point("relay.before_clear")
        for held_by, entities in held.items():
            if entities:
                with pymongo.timeout(_DATABASE_TIMEOUT):
                    flight.collection.update_many({"_id": {"$in": entities}}, _without(published, held_by))
        crash_point("relay.after_clear")
        self._learn(flight, held)

    def _learn(self, flight: _Flight, held: Mapping[str | None, Sequence[str]]) -> None:
        """Decides when what is held is tried again."""
        name = flight.collection.name
        if flight.held_by is not None and (backoff := self._backoffs.get((name, flight.held_by))):
            backoff.tried(len(flight.events), len(held.get(flight.held_by, ())))
        for held_by, entities in held.items():
            if held_by is not None and (name, held_by) not in self._backoffs:
                self._backoffs[name, held_by] = Backoff(self._size)
                log.warning("a queue refuses events, their entities are held", type=held_by, entities=len(entities))

    def _look_for_held(self) -> None:
        """Finds, now and then, what other leaders held."""
        now = time.monotonic()
        if now < self._next_look_for_held:
            return
        self._next_look_for_held = now + _LOOK_FOR_HELD_EVERY
        for collection in self._collections:
            with pymongo.timeout(_DATABASE_TIMEOUT):
                for held_by in collection.distinct("_held_by", {**_WAITING, "_held_by": {"$gt": ""}}):
                    self._backoffs.setdefault((collection.name, held_by), Backoff(self._size))

    def _observe(self) -> None:
        """Brings the gauges up to date, now and then."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        waiting, oldest = 0, identity.now()
        for collection in self._collections:
            held = [held_by for name, held_by in self._backoffs if name == collection.name]
            with pymongo.timeout(_DATABASE_TIMEOUT):
                waiting += collection.count_documents(_WAITING, limit=_COUNTED)
                for query in (_free(), *map(_held, held)):
                    first = collection.find_one(query, {"_pending_since": 1}, sort=[("_pending_since", 1)])
                    if first is not None:
                        oldest = min(oldest, first["_pending_since"])
        self._tell(waiting, (identity.now() - oldest).total_seconds())

    def _tell(self, waiting: int, oldest: float) -> None:
        """Brings the gauges up to date: how many entities wait, and for how many seconds the oldest does."""
        metrics.OUTBOX_PENDING.set(waiting)
        metrics.OUTBOX_OLDEST.set(oldest)


def _free() -> Document:
    """The query of the entities whose events wait and were not refused."""
    return {**_WAITING, "_held_by": None}


def _held(by: str) -> Document:
    """The query of the entities that an event of this type holds."""
    return {**_WAITING, "_held_by": by}


def _without(published: Sequence[str], held_by: str | None) -> list[Document]:
    """The update that removes published events, and the marks of the entity when none is left.

    By id and not by number: another relay, that believes it leads, may have removed some of them before.
    """
    rest = {"$filter": {"input": "$_pending", "cond": {"$not": [{"$in": ["$$this.id", list(published)]}]}}}
    none_left = {"$eq": ["$_pending", []]}
    oldest = {"$cond": [none_left, "$$REMOVE", {"$first": "$_pending.at"}]}
    mark = "$$REMOVE" if held_by is None else {"$cond": [none_left, "$$REMOVE", {"$literal": held_by}]}
    return [{"$set": {"_pending": rest}}, {"$set": {"_pending_since": oldest, "_held_by": mark}}]
