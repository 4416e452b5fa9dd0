"""Deals by customer, stage and owner, and the rows of their history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealChange, DealState
from services.opportunities.pipelines.store import PipelinesStore

EXPIRES = field("manual_expire_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
EXPIRY_BATCH = 200
"""Deals whose given probability expires in one go."""
HISTORY_STRETCH = 500
"""Rows of a history that are read in one go."""

DEALS = (
    Index(("customer_id", "-open_time")),
    Index(("pipeline_id", "state", "stage", "-open_time")),
    Index(("pipeline_id", "-open_time")),
    Index(("owner", "state", "-open_time")),
    Index(("state", "-open_time")),
    Index(("-open_time",)),
    Index(("manual_expire_time",), only=EXPIRES, every_tenant=True),
)
CHANGES = (Index(("deal_id", "number")),)
FILTER = FilterSpec(
    {
        "customer_id": str,
        "pipeline_id": str,
        "state": DealState,
        "stage": str,
        "owner": str,
        "open_time": datetime,
    }
)


class DealsStore:
    """Deals, what was written of each, and the pipelines that they go through."""

    def __init__(self, database: Database, customers: Customers[CustomerProjection], pipelines: PipelinesStore) -> None:
        self.database = database
        self.customers = customers
        self.pipelines = pipelines
        self.deals = database.collection(Deal, "deals", indexes=DEALS)
        self.changes = database.collection(DealChange, "deal_changes", indexes=CHANGES, publishes=False)

    def list(self, filter: str, request: PageRequest) -> Page[Deal]:
        """Deals that meet an AIP-160 filter, the latest opened first. A customer is meant with all of its ids."""
        return self.deals.page(self.customers.condition(filter, FILTER), request, order="-open_time")

    def list_changes(self, deal_id: str, request: PageRequest) -> Page[DealChange]:
        """The history of a deal, the first change first."""
        return self.changes.page(field("deal_id") == deal_id, request, order="number")

    def changes_of(self, deal_id: str) -> Iterator[DealChange]:
        """The whole history of a deal, a stretch at a time."""
        place = ""
        while True:
            found, place = self.changes.stretch(
                field("deal_id") == deal_id, order="number", after=place, limit=HISTORY_STRETCH
            )
            yield from found
            if not place:
                return

    def expired(self) -> Due[Deal]:
        """Deals whose given probability has expired, the longest ago first."""
        return Due(
            self.deals,
            lambda now: all_of(EXPIRES, field("manual_expire_time") <= now),
            order="manual_expire_time",
            limit=EXPIRY_BATCH,
        )
