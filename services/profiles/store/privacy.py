"""Where erasures and looks at masked values live, and the way to all that is held on one customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.message import Message

from libs.chassis.domain import Entity
from libs.chassis.filtering import any_of, field
from libs.chassis.paging import MAX_SIZE, Page
from libs.chassis.store import Collection, Database, Index, Personal
from services.profiles.domain.access import Access
from services.profiles.domain.erasure import Erasure
from services.profiles.store.requests import ListRequest

READY = field("ready") == True  # noqa: E712  (a condition, not a comparison)
ERASURES = (Index(("due_time",), only=READY, every_tenant=True),)
ACCESSES = (Index(("customer_id", "-create_time")),)


@dataclass(frozen=True, slots=True)
class Holding:
    """A collection that holds something on customers, and how it is gone through for one of them."""

    collection: Collection[Any]
    order: str
    paths: Sequence[str] = ("customer_id",)
    """Where the customer is named, each with an index."""

    def on(self, customer_id: str) -> Iterator[Any]:
        """Everything on one customer."""
        where = any_of(*(field(path) == customer_id for path in self.paths))
        token, bound_to = "", f"{self.collection.name} on {customer_id}".encode()
        while True:
            page = self.collection.page(where, order=self.order, size=MAX_SIZE, token=token, request=bound_to)
            yield from page.items
            token = page.next_page_token
            if not token:
                return


class PrivacyStore:
    """Erasures, looks, and everything about one customer."""

    def __init__(self, database: Database, holdings: Mapping[str, Holding]) -> None:
        self.erasures = database.collection(Erasure, "erasures", indexes=ERASURES, publishes=False)
        self.accesses = database.collection(
            Access, "accesses", indexes=ACCESSES, personal=Personal(fields=("purpose_of_use",))
        )
        self.holdings = {**holdings, "access": Holding(self.accesses, "-create_time")}
        """Name of a record in an export → where such records are."""
        self.personal = [each for each in self.holdings.values() if each.collection.entity in database.vault.declared]
        """Those of the holdings in which something has to be erased."""

    def erasures_to_finish(self, limit: int) -> list[tuple[str, Erasure]]:
        """(tenant, erasure) of every tenant that all other services have answered, the most urgent first."""
        return self.erasures.across_tenants(READY, order="due_time", limit=limit)

    def list_accesses(self, customer_id: str, request: ListRequest) -> Page[Access]:
        """The looks at masked values of a customer, the latest first."""
        return self.accesses.page(
            field("customer_id") == customer_id,
            order="-create_time",
            size=request.page_size,
            token=request.page_token,
            request=cast(Message, request),
        )

    def erase(self, customer_id: str) -> tuple[dict[str, list[Entity]], int]:
        """Destroys the keys of all that is held on a customer; what it was, by collection, and how many keys."""
        found = {each.collection.name: list(each.on(customer_id)) for each in self.personal}
        keys = sum(
            each.collection.erase([entity.id for entity in found[each.collection.name]]) for each in self.personal
        )
        return found, keys
