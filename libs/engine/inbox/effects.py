"""Applying a batch: ids and effects in one transaction, and the bad event found among good ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo.collection import Collection as RawCollection

from libs import tracing
from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.inbox import Received, Subscription
from libs.chassis.store import Contention, Index
from libs.engine import metrics
from libs.engine.abandoned import end_abandoned_transactions
from libs.engine.crash import crash_point
from libs.engine.inbox.decoding import opened
from libs.engine.inbox.fates import fate_of
from libs.engine.store import MongoDatabase

COLLECTION: Final = "inbox"
REMEMBERED_FOR: Final = timedelta(days=14)
"""Time within which a repeat is recognized: longer than retries, and than the stay of a parked event."""
INDEXES: Final = (Index(("at",), expire_after=REMEMBERED_FOR),)
DEADLY_AFTER: Final = 3
"""Times that the process may die while it handles one suspect event before the event is parked unhandled."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that could not be applied."""

    index: int
    """Its place in the batch."""
    error: Exception


class Effects:
    """Applies the events of one subscription, each exactly once."""

    def __init__(self, database: MongoDatabase, subscription: Subscription) -> None:
        self._database = database
        self._subscription = subscription
        self._inbox: RawCollection[dict[str, Any]] = database.raw[COLLECTION]

    def apply(self, events: Sequence[Received]) -> list[Failure]:
        """Applies all it can and tells the rest. Raises, with some of them applied, what a repeat may cure.

        A batch that fails or cannot commit is halved until the event at fault is alone: its neighbours succeed, in
        order.
        """
        return self._apply(events, 0)

    @contextmanager
    def dare(self, event: Received) -> Iterator[bool]:
        """Tells whether to handle, inside the block, an event that was delivered suspiciously often.

        What is counted is how often the block was entered and never left, because the process died in it.
        """
        mark = {"_id": f"{self._key(event)}|suspect"}
        begun = {"$inc": {"runs": 1}, "$set": {"at": identity.now()}}
        seen: dict[str, Any] | None = self._inbox.find_one_and_update(mark, begun, upsert=True)
        try:
            yield seen is None or seen["runs"] < DEADLY_AFTER
        finally:
            self._inbox.update_one(mark, {"$inc": {"runs": -1}})

    def _apply(self, events: Sequence[Received], offset: int) -> list[Failure]:
        try:
            self._transact(opened(self._database.vault, events))  # one that cannot be opened fails alone, too
        except Exception as error:
            if isinstance(error, Contention):
                end_abandoned_transactions(self._database.client)
            # What cannot commit may be too much for one transaction, so it is halved like what is wrong.
            if fate_of(error) == "hold" and (len(events) == 1 or not isinstance(error, Contention)):
                raise
            if len(events) == 1:
                return [Failure(offset, error)]
        else:
            return []
        half = len(events) // 2
        return self._apply(events[:half], offset) + self._apply(events[half:], offset + half)

    def _transact(self, events: Sequence[Received]) -> None:
        with self._database.transaction():
            fresh = self._remember(events) if self._subscription.remembers else events
            for tenant, group in _by_tenant(fresh).items():
                parent = group[0].traceparent if len(group) == 1 else ""
                with context.enter(self._context(tenant, group)), tracing.work(self._subscription.name, parent=parent):
                    self._subscription.handle(group)
            crash_point("inbox.before_commit")
        crash_point("inbox.after_commit")

    def _remember(self, events: Sequence[Received]) -> list[Received]:
        """Those not applied before, each once. They count as applied when the transaction commits."""
        unique = {self._key(event): event for event in reversed(events)}
        known = self._inbox.find({"_id": {"$in": list(unique)}}, {"_id": 1}, session=self._database.session)
        for document in known:
            del unique[document["_id"]]
        fresh = [event for event in events if unique.get(self._key(event)) is event]
        if repeated := len(events) - len(fresh):
            metrics.INBOX_DUPLICATES.labels(self._subscription.name).inc(repeated)
        if fresh:
            at = identity.now()
            # Before the effects: of two consumers that race for an event, one stops here.
            self._inbox.insert_many([self._mark(event, at) for event in fresh], session=self._database.session)
        return fresh

    def _mark(self, event: Received, at: datetime) -> dict[str, Any]:
        """The document that tells a repeat. Without `at` it never expires."""
        lasts = event.type in self._subscription.lasting
        return {"_id": self._key(event)} if lasts else {"_id": self._key(event), "at": at}

    def _key(self, event: Received) -> str:
        return f"{self._subscription.name}|{event.id}"

    def _context(self, tenant: str, group: Sequence[Received]) -> Context:
        correlations = {event.correlation_id for event in group}
        return Context(
            tenant=tenant,
            actor=f"service:{self._database.service}",
            causation_id=group[0].id if len(group) == 1 else "",
            correlation_id=correlations.pop() if len(correlations) == 1 else "",
        )


def _by_tenant(events: Sequence[Received]) -> dict[str, list[Received]]:
    groups: dict[str, list[Received]] = {}
    for event in events:
        groups.setdefault(event.tenant, []).append(event)
    return groups
