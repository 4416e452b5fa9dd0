"""Goodwill by case, customer and approver, the limits of authority, absences and grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.interactions.cases.store import CasesStore
from services.interactions.remedies.domain.absences import Absence, ExceptionGrant
from services.interactions.remedies.domain.authority import DAY, YEAR, AuthorityMatrix
from services.interactions.remedies.domain.goodwill import Goodwill, GoodwillState, GoodwillTurn

WAKES = field("wake_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
WAKE_BATCH = 200
"""Goodwill that is looked at in one go."""
GIVEN_READ = 1000
"""Goodwill of a case, an agent or a customer that is summed up at most."""
ABSENCES_READ = 1000

GOODWILL = (
    Index(("case_id", "-asked_time")),
    Index(("customer_id", "-asked_time")),
    Index(("asked_by", "-asked_time")),
    Index(("problem_id", "-asked_time")),
    Index(("approver_id", "state", "-asked_time")),
    Index(("state", "-asked_time")),
    Index(("-asked_time",)),
    Index(("wake_time",), only=WAKES, every_tenant=True),
)
FILTER = FilterSpec(
    {
        "case_id": str,
        "customer_id": str,
        "problem_id": str,
        "state": GoodwillState,
        "approver_id": str,
        "asked_time": datetime,
    }
)


class RemediesStore:
    """Goodwill, and what decides about it."""

    def __init__(self, database: Database, cases: CasesStore) -> None:
        self.database, self.cases, self.customers = database, cases, cases.customers
        self.goodwill = database.collection(Goodwill, "goodwill", indexes=GOODWILL)
        self.authority = database.collection(AuthorityMatrix, "authority")
        self.absences = database.collection(Absence, "absences", indexes=(Index(("-end_time",)),))
        self.grants = database.collection(
            ExceptionGrant,
            "exception_grants",
            indexes=(Index(("case_id", "-expire_time")), Index(("-expire_time",))),
        )
        self.turns = database.collection(GoodwillTurn, "goodwill_turns", publishes=False)

    def list(self, filter: str, page: PageRequest) -> Page[Goodwill]:
        """Goodwill that meets an AIP-160 filter, the latest asked for first."""
        return self.goodwill.page(self.customers.condition(filter, FILTER), page, order="-asked_time")

    def given(self, draft: Goodwill, group: Sequence[str], now: datetime) -> Sequence[Goodwill]:
        """Goodwill that counts for the limits of another one: of its case, of its agent's day, of its customer's year.

        Told with the customer of the draft, whichever of its ids it was given under.
        """
        of_case = field("case_id") == draft.case_id
        of_agent = all_of(field("asked_by") == draft.asked_by, field("asked_time") > now - 2 * DAY)
        of_customer = all_of(field("customer_id").one_of(group), field("asked_time") > now - YEAR - 30 * DAY)
        wanted = [of_case, of_agent, *([of_customer] if group else [])]
        found = [each for where in wanted for each in self.goodwill.find(where, order="-asked_time", limit=GIVEN_READ)]
        theirs = {
            each.id: replace(each, customer_id=draft.customer_id) if each.customer_id in group else each
            for each in found
        }
        return list(theirs.values())

    def absent(self, now: datetime) -> Sequence[Absence]:
        """Absences that have not ended."""
        return self.absences.find(field("end_time") > now, order="-end_time", limit=ABSENCES_READ)

    def list_absences(self, page: PageRequest) -> Page[Absence]:
        """Absences, the last to end first."""
        return self.absences.page(None, page, order="-end_time")

    def list_grants(self, page: PageRequest) -> Page[ExceptionGrant]:
        """Grants, the last to expire first."""
        return self.grants.page(None, page, order="-expire_time")

    def grant_for(self, draft: Goodwill, now: datetime) -> ExceptionGrant | None:
        """A grant of a case that may cover a goodwill."""
        valid = all_of(field("case_id") == draft.case_id, field("expire_time") > now)
        found = self.grants.find(valid, order="-expire_time", limit=ABSENCES_READ)
        same = (draft.action, draft.currency_code)
        return next((each for each in found if (each.action, each.currency_code) == same), None)

    def awaited_of(self, agent_id: str) -> Sequence[Goodwill]:
        """Goodwill that waits for an approver."""
        waits = all_of(field("approver_id") == agent_id, field("state") == GoodwillState.AWAITING_APPROVAL)
        return self.goodwill.find(waits, order="-asked_time", limit=WAKE_BATCH)

    def of_case(self, case_id: str) -> Sequence[Goodwill]:
        """The goodwill of a case."""
        return self.goodwill.find(field("case_id") == case_id, order="-asked_time", limit=GIVEN_READ)

    def to_wake(self) -> Due[Goodwill]:
        """Goodwill whose approver is to be reminded or has left, the longest overdue first."""
        return Due(
            self.goodwill, lambda now: all_of(WAKES, field("wake_time") <= now), order="wake_time", limit=WAKE_BATCH
        )
