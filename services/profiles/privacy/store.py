"""Erasures and looks at masked values, and the way to all that is held on one customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.chassis.domain import Entity
from libs.chassis.filtering import any_of, field
from libs.chassis.paging import MAX_SIZE, Page, PageRequest
from libs.chassis.store import Collection, Database, Due, Index
from services.profiles.activity.store import ActivityStore
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.store import CustomersStore
from services.profiles.identity.store import IdentityStore
from services.profiles.privacy.domain.access import Access
from services.profiles.privacy.domain.erasures import Erasure

READY = field("ready") == True  # noqa: E712  (a condition, not a comparison)
ERASURE_BATCH = 20
"""Erasures that are finished in one go."""
ERASURES = (Index(("due_time",), only=READY, every_tenant=True),)
ACCESSES = (Index(("customer_id", "-create_time")),)


@dataclass(frozen=True, slots=True)
class Holding:
    """A collection that holds something on customers, and how it is gone through for one of them."""

    collection: Collection[Any]
    order: str
    paths: Sequence[str] = ("customer_id",)
    """Fields that name the customer, each with an index."""
    kept: str = ""
    """Reason why an erasure leaves the records, without what was personal in them. Empty when it removes them."""

    def on(self, customer_id: str) -> Iterator[Any]:
        """Everything on one customer."""
        where = any_of(*(field(path) == customer_id for path in self.paths))
        token, bound_to = "", f"{self.collection.name} on {customer_id}".encode()
        while True:
            page = self.collection.page(where, PageRequest(MAX_SIZE, token, bound_to), order=self.order)
            yield from page.items
            token = page.next_page_token
            if not token:
                return


NOT_EXPORTED: Mapping[str, str] = {
    "customers": "the first record of every export",
    "transaction_summaries": "exported as transaction_summary, over all ids of the customer",
    "contact_records": "exported as contact_habits, over all ids of the customer",
    "blocking_keys": "tokens of what the customer itself says; gone with its keys",
    "segment_standings": "the segments of segment_membership once more",
    "negotiations": "that a deal is in a late stage, which opportunities exports with the deal",
    "erasures": "what the export could say of it is its certificate, which outlives it",
}
"""Collections that name customers and are no holdings of their own, each with the reason."""


class PrivacyStore:
    """Erasures, looks, and everything about one customer."""

    def __init__(
        self,
        database: Database,
        *,
        customers: CustomersStore,
        activity: ActivityStore,
        identity: IdentityStore,
        holdings: Mapping[str, Holding],
    ) -> None:
        self.database, self.customers, self.activity, self.identity = database, customers, activity, identity
        self.erasures = database.collection(Erasure, "erasures", indexes=ERASURES, publishes=False)
        self.accesses = database.collection(Access, "accesses", indexes=ACCESSES)
        looks = Holding(self.accesses, "-create_time", kept="proof of who looked")
        self.holdings = {**holdings, "access": looks}
        """Name of a record in an export → where such records are."""
        self.personal = [each for each in self.holdings.values() if each.collection.seals]
        """Those of the holdings in which something has to be erased."""

    def erasures_to_finish(self) -> Due[Erasure]:
        """Erasures that all other services have answered, the most urgent first."""
        return Due(self.erasures, lambda _: READY, order="due_time", limit=ERASURE_BATCH)

    def customers_to_purge(self) -> Due[Customer]:
        """Customers whose time after the deletion is over, the longest first, but for those under a legal hold."""
        return Due(
            self.customers.customers,
            lambda now: (field("purge_time") <= now) & field("legal_hold").missing(),
            order="purge_time",
            limit=ERASURE_BATCH,
        )

    def list_accesses(self, customer_id: str, wanted: PageRequest) -> Page[Access]:
        """The looks at masked values of a customer, the latest first."""
        return self.accesses.page(field("customer_id") == customer_id, wanted, order="-create_time")

    def derived(self, customer_id: str) -> dict[str, list[Entity]]:
        """Derived records of a customer that nobody needs any more, by collection."""
        return {h.collection.name: list(h.on(customer_id)) for h in self.holdings.values() if not h.kept}

    def forget(self, derived: Mapping[str, Sequence[Entity]]) -> None:
        """Removes it."""
        for holding in self.holdings.values():
            ids = [each.id for each in derived.get(holding.collection.name, ())]
            if ids:
                holding.collection.purge(field("_id").one_of(ids), limit=len(ids))

    def erase(self, customer_id: str) -> tuple[dict[str, list[Entity]], int]:
        """Destroys the keys of all that is held on a customer. What it was, by collection, and how many keys."""
        found = {each.collection.name: list(each.on(customer_id)) for each in self.personal}
        keys = sum(
            each.collection.erase([entity.id for entity in found[each.collection.name]]) for each in self.personal
        )
        return found, keys
