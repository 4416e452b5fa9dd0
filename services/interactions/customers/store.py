"""The projection of customers, found by id and by the identifiers that lead to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import field
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.interactions.customers.domain import CustomerProjection, customer_key, customer_of

OWES = field("backlog_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
BACKLOG_BATCH = 50
"""Customers whose backlogs go on in one go."""

CUSTOMERS = (Index(("_blind.identifiers",)), Index(("backlog_time",), only=OWES, every_tenant=True))


class CustomersStore(Customers[CustomerProjection]):
    """Customers as far as this service has heard of them."""

    def __init__(self, database: Database) -> None:
        super().__init__(
            database,
            CustomerProjection,
            indexes=CUSTOMERS,
            blind={"identifiers": lambda customer: customer.identifiers},
        )
        self.database, self.customers = database, self.collection

    def keys_of(self, party: str) -> list[str]:
        """The keys under which a party may be known: of a customer, those of all its ids."""
        customer_id = customer_of(party)
        return [customer_key(id) for id in self.group(customer_id)] if customer_id else [party]

    def led_to_by(self, keys: Sequence[str], limit: int) -> list[CustomerProjection]:
        """Customers whom one of these identifiers leads to."""
        tokens = [self.customers.blind_index("identifiers", key) for key in keys]
        return self.customers.find(field("_blind.identifiers").one_of(tokens), limit=limit)

    def rank(self, tiers: Sequence[tuple[str, datetime, str]]) -> None:
        """Takes in (customer id, when it was told, tier), of customers that may not have been heard of yet."""
        told = [(CustomerProjection.unheard(id, at), tier) for id, at, tier in tiers]
        self.customers.upsert_many(told, CustomerProjection.rank)

    def tier_of(self, customer_id: str) -> str:
        """The tier of a customer. Empty while none is known."""
        known = self.find(customer_id) if customer_id else None
        return known.tier if known is not None else ""

    def backlogs(self) -> Due[CustomerProjection]:
        """Customers with earlier interactions that wait to be attributed, the longest ago first."""
        return Due(self.customers, lambda _: OWES, order="backlog_time", limit=BACKLOG_BATCH)
