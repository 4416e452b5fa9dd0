"""Where erasures and looks at masked values live, and the walks over all that is held on one customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from google.protobuf.message import Message

from libs.chassis.domain import E
from libs.chassis.filtering import Condition, any_of, field
from libs.chassis.paging import MAX_SIZE, Page
from libs.chassis.store import Collection, Database, Index, Personal
from services.profiles.domain.access import Access
from services.profiles.domain.consents import ConsentReceipt
from services.profiles.domain.duplicates import DuplicateCandidate
from services.profiles.domain.erasure import Erasure
from services.profiles.domain.facts import PersonalFact
from services.profiles.domain.merges import MergeRecord
from services.profiles.domain.relationships import Relationship
from services.profiles.domain.transactions import Transaction
from services.profiles.store.requests import ListRequest

READY = field("ready") == True  # noqa: E712  (a condition, not a comparison)
ERASURES = (Index(("due_time",), only=READY, every_tenant=True),)
ACCESSES = (Index(("customer_id", "-create_time")),)


class PrivacyStore:
    """Erasures, looks, and everything about one customer."""

    def __init__(
        self,
        database: Database,
        *,
        receipts: Collection[ConsentReceipt],
        relationships: Collection[Relationship],
        facts: Collection[PersonalFact],
        transactions: Collection[Transaction],
        candidates: Collection[DuplicateCandidate],
        merges: Collection[MergeRecord],
    ) -> None:
        self.erasures = database.collection(Erasure, "erasures", indexes=ERASURES, publishes=False)
        self.accesses = database.collection(
            Access, "accesses", indexes=ACCESSES, personal=Personal(fields=("purpose_of_use",))
        )
        self._receipts, self._relationships = receipts, relationships
        self._facts, self._transactions = facts, transactions
        self._candidates, self._merges = candidates, merges

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

    def receipts_of(self, customer_id: str) -> Iterator[ConsentReceipt]:
        """Every receipt of consent, the newest first."""
        return _all(self._receipts, field("customer_id") == customer_id, "-sequence")

    def facts_of(self, customer_id: str) -> Iterator[PersonalFact]:
        """Every personal fact, removed ones too, the newest first."""
        return _all(self._facts, field("customer_id") == customer_id, "-create_time")

    def relationships_of(self, customer_id: str) -> Iterator[Relationship]:
        """Every relationship with the customer on either side, the newest first."""
        either = any_of(field("from_customer_id") == customer_id, field("to_customer_id") == customer_id)
        return _all(self._relationships, either, "-create_time")

    def transactions_of(self, customer_id: str) -> Iterator[Transaction]:
        """Every transaction, the latest first."""
        return _all(self._transactions, field("customer_id") == customer_id, "-occurred_time")

    def candidates_of(self, customer_id: str) -> Iterator[DuplicateCandidate]:
        """Every pair with somebody who may be the same, the most alike first."""
        return _all(self._candidates, field("customer_ids") == customer_id, "-score")

    def merges_of(self, customer_id: str) -> Iterator[MergeRecord]:
        """Every merge in which the customer took part, the last first."""
        return _all(self._merges, field("party_ids") == customer_id, "-epoch")

    def accesses_of(self, customer_id: str) -> Iterator[Access]:
        """Every look at masked values, the latest first."""
        return _all(self.accesses, field("customer_id") == customer_id, "-create_time")


def _all(collection: Collection[E], where: Condition, order: str) -> Iterator[E]:
    token = ""
    while True:
        page = collection.page(where, order=order, size=MAX_SIZE, token=token, request=collection.name.encode())
        yield from page.items
        token = page.next_page_token
        if not token:
            return
