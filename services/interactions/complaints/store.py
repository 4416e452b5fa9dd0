"""Complaints by case, customer, state and cause, and the taxonomy that they are put to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.interactions.cases.store import CasesStore
from services.interactions.complaints.domain.attribution import Taxonomy
from services.interactions.complaints.domain.complaints import Complaint, ComplaintSeverity, ComplaintState
from services.interactions.promises.store import PromisesStore
from services.interactions.remedies.store import RemediesStore

WAKES = field("wake_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
FOLLOWED_MAX = 50
"""Complaints of a customer, the latest ones, that a deal is put to."""
WAKE_BATCH = 200
"""Complaints that are looked at in one go."""

COMPLAINTS = (
    Index(("customer_id", "-received_time")),
    Index(("case_id", "-received_time")),
    Index(("state", "-received_time")),
    Index(("severity", "-received_time")),
    Index(("taxonomy_path", "-received_time")),
    Index(("-received_time",)),
    Index(("wake_time",), only=WAKES, every_tenant=True),
)
FILTER = FilterSpec(
    {
        "customer_id": str,
        "case_id": str,
        "state": ComplaintState,
        "severity": ComplaintSeverity,
        "taxonomy_path": str,
        "received_time": datetime,
    }
)


class ComplaintsStore:
    """Complaints, and the cases, promises and remedies that belong to them."""

    def __init__(self, database: Database, remedies: RemediesStore) -> None:
        self.database, self.remedies = database, remedies
        self.cases: CasesStore = remedies.cases
        self.promises: PromisesStore = remedies.cases.promises
        self.customers = remedies.customers
        self.complaints = database.collection(Complaint, "complaints", indexes=COMPLAINTS)
        self.taxonomy = database.collection(Taxonomy, "complaint_taxonomy")

    def list(self, filter: str, page: PageRequest) -> Page[Complaint]:
        """Complaints that meet an AIP-160 filter, the latest received first."""
        return self.complaints.page(self.customers.condition(filter, FILTER), page, order="-received_time")

    def received_within(
        self, start: datetime, end: datetime, place: str, limit: int
    ) -> tuple[Sequence[Complaint], str]:
        """(complaints that came in within a stretch of time, the place to go on from)."""
        within = all_of(field("received_time") >= start, field("received_time") < end)
        return self.complaints.stretch(within, order="-received_time", after=place, limit=limit)

    def of_customer(self, ids: Sequence[str]) -> Sequence[Complaint]:
        """The complaints of a customer under any of its ids, the latest received first."""
        return self.complaints.find(field("customer_id").one_of(ids), order="-received_time", limit=FOLLOWED_MAX)

    def to_wake(self) -> Due[Complaint]:
        """Complaints whose customer is quiet, the longest overdue first."""
        return Due(
            self.complaints, lambda now: all_of(WAKES, field("wake_time") <= now), order="wake_time", limit=WAKE_BATCH
        )
