"""Plans and reports of counting anew, and the cases that they are about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.record import LIVE
from services.interactions.cases.store import GOES_ON, CasesStore
from services.interactions.clocks.store import ClocksStore
from services.interactions.sla.domain import Refolding

PENDING = field("pending") == True  # noqa: E712  (a condition, not a comparison)
"""Condition of a partial index. A query that is to use it repeats it."""
PLANS_LOOKED_AT = 50
"""Plans that are looked at in one go."""

REFOLDINGS = (
    Index(("-due_time",)),
    Index(("due_time",), only=PENDING, every_tenant=True),
    Index(("due_time",), only=PENDING),
)


class SlaStore:
    """Plans of counting anew, and what is read of cases and policies to do it."""

    def __init__(self, database: Database, cases: CasesStore, clocks: ClocksStore) -> None:
        self.database, self.cases, self.clocks = database, cases, clocks
        self.refoldings = database.collection(Refolding, "refoldings", indexes=REFOLDINGS, publishes=False)

    def list(self, page: PageRequest) -> Page[Refolding]:
        """All plans and reports, the latest first."""
        return self.refoldings.page(None, page, order="-due_time")

    def planned(self, now: datetime) -> Refolding | None:
        """The plan that is due the longest, of this tenant."""
        found = self.refoldings.find(all_of(PENDING, field("due_time") <= now), order="due_time", limit=1)
        return found[0] if found else None

    def due(self) -> Due[Refolding]:
        """Plans whose time has come."""
        return Due(
            self.refoldings,
            lambda now: all_of(PENDING, field("due_time") <= now),
            order="due_time",
            limit=PLANS_LOOKED_AT,
        )

    def opened_within(self, start: datetime, end: datetime, place: str, limit: int) -> tuple[Sequence[Case], str]:
        """(cases that were opened in a stretch of time, the place to go on from)."""
        within = all_of(field("open_time") >= start, field("open_time") < end)
        return self.cases.cases.stretch(within, order="-open_time", after=place, limit=limit)

    def open_of(self, customer_ids: Sequence[str], limit: int) -> Iterator[Sequence[Case]]:
        """The open cases of a customer under any of its ids, so many at a time."""
        theirs, place, more = all_of(GOES_ON, field("customer_id").one_of(customer_ids)), "", True
        while more:
            found, place = self.cases.cases.stretch(theirs, order="-open_time", after=place, limit=limit)
            more = bool(place)
            yield found

    def measured_by(self, policy_ids: Sequence[str], place: str, limit: int) -> tuple[Sequence[Case], str]:
        """(cases whose clocks may run under policies, the place to go on from)."""
        theirs = all_of(field("clocks.policy_id").one_of(sorted(policy_ids)), field("state").one_of(sorted(LIVE)))
        return self.cases.cases.stretch(theirs, order="-open_time", after=place, limit=limit)
