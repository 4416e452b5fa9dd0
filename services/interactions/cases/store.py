"""Cases by customer, owner, state and source, and the terms that they follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseState, CaseType
from services.interactions.cases.domain.record import LIVE
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.clocks.store import ClocksStore
from services.interactions.customers.store import CustomersStore
from services.interactions.promises.store import PromisesStore

WAKES = field("wake_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
GOES_ON = field("state").one_of(sorted(LIVE))
"""Condition of a partial index. A query that is to use it repeats it."""
WAKE_BATCH = 500
"""Cases that the clock moves on in one go."""

CASES = (
    Index(("customer_id", "-open_time")),
    Index(("customer_id", "-open_time"), only=GOES_ON),
    Index(("state", "-open_time")),
    Index(("type", "-open_time")),
    Index(("owner", "state", "-open_time")),
    Index(("owner", "-open_time")),
    Index(("team", "state", "-open_time")),
    Index(("team", "-open_time")),
    Index(("problem_id", "-open_time")),
    Index(("clocks.policy_id", "state", "-open_time")),
    Index(("clocks.policy_id", "-open_time")),
    Index(("-open_time",)),
    Index(("wake_time",), only=WAKES, every_tenant=True),
)
FILTER = FilterSpec(
    {
        "customer_id": str,
        "state": CaseState,
        "type": CaseType,
        "owner": str,
        "team": str,
        "problem_id": str,
        "open_time": datetime,
    }
)


class CasesStore:
    """Cases, and what is read of customers, promises and policies to work on them."""

    def __init__(
        self, database: Database, customers: CustomersStore, promises: PromisesStore, clocks: ClocksStore
    ) -> None:
        self.database = database
        self.customers, self.promises, self.clocks = customers, promises, clocks
        self.cases = database.collection(Case, "cases", indexes=CASES, notes_commands=True)
        self.terms = database.collection(CaseTerms, "case_terms")

    def list(self, filter: str, page: PageRequest) -> Page[Case]:
        """Cases that meet an AIP-160 filter, the latest opened first."""
        return self.cases.page(self.customers.condition(filter, FILTER), page, order="-open_time")

    def open_of(self, ids: Sequence[str], limit: int) -> Sequence[Case]:
        """The open cases of a customer under any of its ids, the latest opened first."""
        theirs = all_of(GOES_ON, field("customer_id").one_of(ids))
        return self.cases.find(theirs, order="-open_time", limit=limit)

    def to_wake(self) -> Due[Case]:
        """Cases of which a clock is to be told or silence is to close, the longest overdue first."""
        return Due(
            self.cases, lambda now: all_of(WAKES, field("wake_time") <= now), order="wake_time", limit=WAKE_BATCH
        )
