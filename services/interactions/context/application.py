"""The context of a customer, read once or watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from libs.chassis import identity
from libs.chassis.feed import Feed, Notice
from services.interactions.cases.store import CasesStore
from services.interactions.context.domain import CustomerContext
from services.interactions.customers.application import Customers
from services.interactions.timeline.store import TimelineStore

RECENT: Final = timedelta(days=30)
"""Time for which a broken promise that nobody made good is brought up."""


class Contexts:
    """Contexts of customers for the next person who serves them."""

    def __init__(self, timeline: TimelineStore, cases: CasesStore) -> None:
        self._timeline, self._cases, self._promises = timeline, cases, cases.promises
        self._group = timeline.customers.group
        self._customers = Customers(timeline.customers)

    def get(self, customer_id: str) -> CustomerContext:
        """All that whoever picks up next must know, in six bounded reads."""
        now = identity.now()
        customer = self._customers.require(customer_id)
        ids = self._group(customer_id, customer)
        conversations = self._timeline.conversations.open_of(ids, 5)
        waiting = [each.waiting_since_time for each in conversations if each.waiting_since_time is not None]
        return CustomerContext(
            customer=customer,
            conversations=tuple(conversations),
            interactions=tuple(self._timeline.last_of(ids, 10)),
            promises=tuple(self._promises.pending_of(ids, 20)),
            broken_promises=tuple(self._promises.broken_of(ids, now - RECENT, 10)),
            waiting_since_time=min(waiting, default=None),
            as_of_time=now,
            cases=tuple(self._cases.open_of(ids, 10)),
        )

    def watch(self, feed: Feed, customer_id: str, cursor: str, listening: Callable[[], bool]) -> Iterator[Notice]:
        """Every interaction and promise of a customer that is new or changes after the cursor, under each of the ids
        that lead to the customer when the watch begins."""
        known = self._customers.require(customer_id)
        return feed.watch(self._group(customer_id, known), cursor, listening)
