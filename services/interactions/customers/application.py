"""Customers as far as this service has heard, and which of them an identifier leads to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from libs.chassis.projection import OfCustomer
from services.interactions.customers.domain import CustomerProjection
from services.interactions.customers.store import CustomersStore

R = TypeVar("R", bound=OfCustomer)

MOST_SHARERS, MOST_SHARERS_OF_ONE = 1000, 25
"""Customers that are read to find out whom a number of identifiers leads to, or a single one."""


class Customers:
    """The projection of customers, fed by events."""

    def __init__(self, store: CustomersStore) -> None:
        self._store = store

    def require(self, customer_id: str) -> CustomerProjection:
        """The customer that an id leads to. NotFound when this service has not heard of it."""
        return self._store.require(customer_id)

    def refuse_erased(self, ids: Iterable[str]) -> None:
        """Refuses with CustomerErased when one of these customers is erased."""
        self._store.refuse_erased(ids)

    def while_living(self, ids: Collection[str], store: Callable[[], R], withdraw: Callable[[R], object]) -> R:
        """Stores something of customers, and withdraws it when one of them is erased meanwhile."""
        return self._store.while_living(ids, store, withdraw)

    def resolve(self, keys: Sequence[str]) -> dict[str, str]:
        """Key of an identifier → id of the one customer it leads to. Nothing for keys of nobody or of several.

        Of customers who are one it is the one who was merged, when the key was theirs: so that what is recorded now
        follows the identifier if they are several again.
        """
        limit = MOST_SHARERS_OF_ONE if len(keys) == 1 else MOST_SHARERS
        found = self._store.led_to_by(keys, limit) if keys else []
        if len(found) == limit:  # perhaps not all of them: look at fewer keys at a time
            half = len(keys) // 2
            return self.resolve(keys[:half]) | self.resolve(keys[half:]) if half else {}
        leads: dict[str, list[CustomerProjection]] = {}
        for customer in found:
            for key in customer.identifiers:
                leads.setdefault(key, []).append(customer)
        one = {key: leads[key] for key in keys if len({each.canonical_id for each in leads.get(key, ())}) == 1}
        return {key: max(theirs, key=_merged_first).id for key, theirs in one.items()}


def _merged_first(customer: CustomerProjection) -> tuple[bool, str]:
    return bool(customer.merged_into), customer.id
