"""Who is who: customers as far as this service has heard, and what whoever picks up next must know of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import NotFound
from services.interactions.context.domain import CustomerContext
from services.interactions.customers.domain import CustomerCopy
from services.interactions.store import InteractionsStore

MOST_SHARERS, MOST_SHARERS_OF_ONE = 1000, 25
"""Customers that are read to find out whom a number of identifiers leads to, or a single one."""
RECENTLY: Final = timedelta(days=30)
"""How long a broken promise that nobody made good is brought up."""


class Customers:
    """Local copies of customers, fed by events."""

    def __init__(self, store: InteractionsStore) -> None:
        self._store = store

    def require(self, customer_id: str) -> CustomerCopy:
        """The customer that an id leads to; NotFound when this service has not heard of it."""
        known = self._store.customer(customer_id)
        if known is None:
            raise NotFound("Customer", customer_id)
        return known

    def resolve(self, keys: Sequence[str]) -> dict[str, str]:
        """Key of an identifier → id of the one customer it leads to; nothing for keys of nobody or of several.

        Of customers who are one it is the one who was merged, when the key was theirs: so that what is recorded now
        follows the identifier if they are several again.
        """
        limit = MOST_SHARERS_OF_ONE if len(keys) == 1 else MOST_SHARERS
        found = self._store.customers_with(keys, limit) if keys else []
        if len(found) == limit:  # perhaps not all of them: look at fewer keys at a time
            half = len(keys) // 2
            return self.resolve(keys[:half]) | self.resolve(keys[half:]) if half else {}
        leads: dict[str, list[CustomerCopy]] = {}
        for customer in found:
            for key in customer.identifiers:
                leads.setdefault(key, []).append(customer)
        one = {key: leads[key] for key in keys if len({each.canonical_id for each in leads.get(key, ())}) == 1}
        return {key: max(theirs, key=_merged_first).id for key, theirs in one.items()}

    def context(self, customer_id: str) -> CustomerContext:
        """All that whoever picks up next must know, in five bounded reads."""
        now, store = identity.now(), self._store
        customer = self.require(customer_id)
        ids = store.group(customer_id, customer)
        conversations = store.open_conversations(ids, 5)
        waiting = [each.waiting_since_time for each in conversations if each.waiting_since_time is not None]
        return CustomerContext(
            customer=customer,
            conversations=tuple(conversations),
            interactions=tuple(store.last_interactions(ids, 10)),
            promises=tuple(store.pending_promises(ids, 20)),
            broken_promises=tuple(store.broken_promises(ids, now - RECENTLY, 10)),
            waiting_since_time=min(waiting, default=None),
            as_of_time=now,
        )


def _merged_first(customer: CustomerCopy) -> tuple[bool, str]:
    return bool(customer.merged_into), customer.id
