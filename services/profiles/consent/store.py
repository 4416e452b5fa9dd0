"""Consent receipts, by customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.customers.domain.consents import ConsentReceipt
from services.profiles.customers.store import CustomersStore

RECEIPTS = (Index(("customer_id", "-sequence")),)
_BATCH: Final = 500


class ConsentStore:
    """Receipts, and the customers who hold the ends of their chains."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.receipts = database.collection(ConsentReceipt, "receipts", indexes=RECEIPTS, publishes=False)

    def list_receipts(self, customer_id: str, wanted: PageRequest) -> Page[ConsentReceipt]:
        """The receipts of a customer, the newest first."""
        return self.receipts.page(field("customer_id") == customer_id, wanted, order="-sequence")

    def chain(self, customer_id: str) -> Iterator[ConsentReceipt]:
        """Every receipt of a customer, the oldest first."""
        last = 0
        while batch := self.receipts.find(
            all_of(field("customer_id") == customer_id, field("sequence") > last), order="sequence", limit=_BATCH
        ):
            yield from batch
            last = batch[-1].sequence
