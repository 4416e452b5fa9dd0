"""The collection of parcels."""

from __future__ import annotations

from libs.chassis.filtering import field
from libs.chassis.store import Database, Index
from services.parcels.parcel.domain import Parcel

ERASURE_BATCH = 100


class ParcelStore:
    """Parcels by id and by customer."""

    def __init__(self, database: Database) -> None:
        self.parcels = database.collection(Parcel, "parcels", indexes=[Index(("customer_id",))], publishes=False)

    def forget(self, customer_id: str) -> int:
        """Removes the parcels of a customer, a batch at most. Returns how many."""
        return self.parcels.purge(field("customer_id") == customer_id, limit=ERASURE_BATCH)
