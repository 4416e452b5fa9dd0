"""The projection of customers, found by id and by the identifiers that lead to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import AllOf, AnyOf, Compare, Condition, FilterSpec, field, parse
from libs.chassis.store import Database, Due, Index
from services.interactions.customers.domain import CustomerProjection, customer_key, customer_of

OWES = field("backlog_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index; a query that is to use it repeats it."""
BACKLOG_BATCH = 50
"""Customers whose backlogs go on in one go."""

CUSTOMERS = (Index(("_blind.identifiers",)), Index(("backlog_time",), only=OWES, every_tenant=True))


class CustomersStore:
    """Customers as far as this service has heard of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customers = database.collection(
            CustomerProjection,
            "customers",
            indexes=CUSTOMERS,
            publishes=False,
            blind={"identifiers": lambda customer: customer.identifiers},
        )

    def customer(self, id: str) -> CustomerProjection | None:
        """The customer that an id leads to: the survivor, when it was merged; None while nothing is known of it."""
        known = self.customers.find_by_id(id)
        if known is None or not known.merged_into:
            return known
        return self.customers.find_by_id(known.merged_into) or known

    def group(self, customer_id: str, known: CustomerProjection | None = None) -> tuple[str, ...]:
        """All ids of whom an id leads to, the survivor first: what was recorded for any of them is theirs. The customer
        may be given when it was read already."""
        known = known or self.customer(customer_id) if customer_id else None
        if known is None:
            return (customer_id,)
        return tuple(dict.fromkeys((known.canonical_id, *known.merged_ids, customer_id)))

    def keys_of(self, party: str) -> list[str]:
        """The keys under which a party may be known: of a customer, those of all its ids."""
        customer_id = customer_of(party)
        return [customer_key(id) for id in self.group(customer_id)] if customer_id else [party]

    def led_to_by(self, keys: Sequence[str], limit: int) -> list[CustomerProjection]:
        """Customers whom one of these identifiers leads to."""
        tokens = [self.customers.blind_index("identifiers", key) for key in keys]
        return self.customers.find(field("_blind.identifiers").one_of(tokens), limit=limit)

    def erased(self, ids: Collection[str]) -> list[CustomerProjection]:
        """Those of the customers who are erased or about to be."""
        known = self.customers.find(field("_id").one_of(sorted(ids)), limit=len(ids)) if ids else []
        return [each for each in known if each.erased]

    def backlogs(self) -> Due[CustomerProjection]:
        """Customers with earlier interactions that wait to be attributed, the longest ago first."""
        return Due(self.customers, lambda _: OWES, order="backlog_time", limit=BACKLOG_BATCH)

    def condition(self, filter: str, spec: FilterSpec) -> Condition | None:
        """The condition of an AIP-160 filter; a customer in it is meant with all of its ids."""

        def meant(part: Condition) -> Condition:
            match part:
                case AllOf(parts):
                    return AllOf(tuple(map(meant, parts)))
                case AnyOf(parts):
                    return AnyOf(tuple(map(meant, parts)))
                case Compare("customer_id", "==", str(id)) if id:
                    return field("customer_id").one_of(self.group(id))
                case _:
                    return part

        condition = parse(filter, spec)
        return meant(condition) if condition is not None else None
