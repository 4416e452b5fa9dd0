"""Problems, and the customers who are affected by each."""

from __future__ import annotations

from collections.abc import Sequence

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.interactions.problems.domain import AffectedCustomer, AffectedState, Problem
from services.interactions.remedies.store import RemediesStore

AFFECTED = (
    Index(("problem_id", "customer_id")),
    Index(("problem_id", "state", "customer_id")),
    Index(("customer_id", "-create_time")),
)


class ProblemsStore:
    """Problems, and the cases and remedies of their customers."""

    def __init__(self, database: Database, remedies: RemediesStore) -> None:
        self.database, self.remedies, self.cases, self.customers = (
            database,
            remedies,
            remedies.cases,
            remedies.customers,
        )
        self.problems = database.collection(Problem, "problems", indexes=(Index(("-open_time",)),))
        self.affected = database.collection(AffectedCustomer, "affected_customers", indexes=AFFECTED)

    def list(self, page: PageRequest) -> Page[Problem]:
        """Problems, the latest first."""
        return self.problems.page(None, page, order="-open_time")

    def list_affected(self, problem_id: str, page: PageRequest) -> Page[AffectedCustomer]:
        """The affected customers of a problem."""
        return self.affected.page(field("problem_id") == problem_id, page, order="customer_id")

    def waiting(self, problem_id: str, limit: int) -> Sequence[AffectedCustomer]:
        """Affected customers who got nothing yet."""
        waits = all_of(field("problem_id") == problem_id, field("state") == AffectedState.WAITING)
        return self.affected.find(waits, order="customer_id", limit=limit)

    def key(self, problem_id: str, customer_id: str) -> str:
        """The key of an affected customer."""
        return f"{problem_id}:{customer_id}"
