"""Entitlements, by benefit, basis and subject."""

from __future__ import annotations

from collections.abc import Sequence

from libs.chassis.filtering import FilterSpec, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.contracts.store import ContractsStore
from services.profiles.customers.store import CustomersStore
from services.profiles.entitlements.domain import Basis, Entitlement
from services.profiles.segments.store import SegmentsStore

ENTITLEMENTS = (
    Index(("-create_time",)),
    Index(("benefit", "-create_time")),
    Index(("basis", "-create_time")),
    Index(("subject", "-create_time")),
)
ENTITLEMENT_FILTER = FilterSpec({"benefit": str, "basis": Basis, "subject": str})
_MOST = 1000
"""Entitlements that one customer may have at a time."""


class EntitlementsStore:
    """Entitlements, and what is read of customers, contracts and segments to resolve them."""

    def __init__(
        self, database: Database, customers: CustomersStore, contracts: ContractsStore, segments: SegmentsStore
    ) -> None:
        self.database, self.customers, self.contracts, self.segments = database, customers, contracts, segments
        self.entitlements = database.collection(Entitlement, "entitlements", indexes=ENTITLEMENTS)

    def page(self, filter: str, wanted: PageRequest) -> Page[Entitlement]:
        """Entitlements that meet a filter, the newest first."""
        return self.entitlements.page(parse(filter, ENTITLEMENT_FILTER), wanted, order="-create_time")

    def about(self, subjects: Sequence[str]) -> list[Entitlement]:
        """Entitlements for any of these subjects, of any time."""
        return self.entitlements.find(field("subject").one_of(subjects), order="", limit=_MOST)
