"""Counts of months, and rules that wait for a review."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index, Row, Sum
from services.care.adherence.domain import CareCell, PolicyKind, PolicyReview
from services.care.customers.store import CustomersStore
from services.care.programs.store import ProgramsStore

DUE = field("due_time") > datetime(1970, 1, 1, tzinfo=UTC)
COUNTS = ("on_time", "late", "missed", "excused")
BY_PROGRAM = Index(("month", "program_id", "owner", *COUNTS))
BY_PHASE = Index(("month", "phase", "tier", "on_time", "late"))
REVIEWS = (
    Index(("due_time",), only=DUE, every_tenant=True),
    *(Index((*keys, "review_date")) for keys in ((), ("overdue",), ("kind",), ("kind", "overdue"))),
)
FILTER = FilterSpec({"overdue": bool, "kind": PolicyKind})


class AdherenceStore:
    """Counts of attention, with the programs and customers that it is counted by."""

    def __init__(self, database: Database, customers: CustomersStore, programs: ProgramsStore) -> None:
        self.database, self.customers, self.programs = database, customers, programs
        self.cells = database.collection(CareCell, "care_cells", indexes=(BY_PROGRAM, BY_PHASE), publishes=False)
        self.reviews = database.collection(PolicyReview, "policy_reviews", indexes=REVIEWS)

    def cell_id(self, *key: str) -> str:
        """The id of the counts of a key."""
        return self.cells.id_of("|".join(key))

    def by_program(self, months: tuple[int, int], program_id: str) -> Sequence[Row]:
        """(program, owner, on time, late, missed, excused) of some months."""
        where = all_of(
            field("month") >= months[0],
            field("month") <= months[1],
            field("program_id") == program_id if program_id else None,
        )
        return self.cells.totals(where, ["program_id", "owner"], [Sum(each) for each in COUNTS], index=BY_PROGRAM)

    def by_phase(self, months: tuple[int, int]) -> Sequence[Row]:
        """(phase, tier, on time, late) of some months."""
        where = all_of(field("month") >= months[0], field("month") <= months[1])
        return self.cells.totals(where, ["phase", "tier"], [Sum("on_time"), Sum("late")], index=BY_PHASE)

    def list_reviews(self, filter: str, request: PageRequest) -> Page[PolicyReview]:
        """Rules that meet an AIP-160 filter, the longest overdue first."""
        return self.reviews.page(parse(filter, FILTER), request, order="review_date")

    def to_lapse(self) -> Due[PolicyReview]:
        """Rules whose day is over."""
        return Due(self.reviews, lambda now: all_of(DUE, field("due_time") <= now), order="due_time", limit=200)
