"""Adherence: counting results as they come, and telling what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from libs.chassis import identity
from libs.chassis.paging import Page, PageRequest
from services.care.adherence.domain import (
    AdherenceReport,
    CareCell,
    CoverageMap,
    PolicyKind,
    PolicyReview,
    Result,
    coverage,
    result_of,
    row,
    span_of,
)
from services.care.adherence.store import AdherenceStore
from services.care.touches.domain.touches import Touch

ROWS_MAX = 2000


class Adherence:
    """Attention as managers see it."""

    def __init__(self, store: AdherenceStore) -> None:
        self._store = store

    def count(self, told: Sequence[tuple[datetime, Touch]]) -> None:
        """Takes in touches that came to an end, each with its time."""
        ended = [(at, touch, result) for at, touch in told if (result := result_of(touch)) is not None]
        known = self._store.customers.known([touch.customer_id for _, touch, _ in ended])
        programs = self._store.programs.some(sorted({touch.program_id for _, touch, _ in ended if touch.program_id}))
        cells: list[tuple[CareCell, Result]] = []
        for at, touch, result in ended:
            customer, program = known.get(touch.customer_id), programs.get(touch.program_id)
            owner = touch.task.assignee if touch.task is not None else customer.owner if customer is not None else ""
            phase = str(program.phase) if program is not None else ""
            tier = customer.tier if customer is not None else ""
            month = at.year * 12 + at.month - 1
            id = self._store.cell_id(str(month), touch.program_id, owner, phase, tier)
            blank = CareCell(id=id, month=month, program_id=touch.program_id, owner=owner, phase=phase, tier=tier)
            cells.append((blank, result))
        self._store.cells.upsert_many(cells, CareCell.add)

    def report(self, from_month: str, to_month: str, program_id: str) -> AdherenceReport:
        """Counts of some months."""
        found = self._store.by_program(span_of(from_month, to_month), program_id)
        rows = sorted((row(program, owner, counts) for program, owner, *counts in found), key=lambda each: -each.due)
        sums = [sum(each) for each in zip(*(counts for _, _, *counts in found), strict=True)] or [0, 0, 0, 0]
        return AdherenceReport(rows=tuple(rows[:ROWS_MAX]), total=row(program_id, "", sums))

    def coverage(self, from_month: str, to_month: str) -> CoverageMap:
        """Map of attention, with how often it came in some months."""
        found = self._store.by_phase(span_of(from_month, to_month))
        touched = {(str(phase), str(tier)): int(on_time) + int(late) for phase, tier, on_time, late in found}
        return coverage(self._store.programs.at_work(), touched)

    # ------------------------------------------------------------------------------------------------- reviews

    def plan_review(self, draft: PolicyReview, review_date: date | None) -> None:
        """Takes in by when rules are to be reviewed. None for rules out of use, or without a day."""
        key = f"{draft.kind}:{draft.subject_id}" if draft.kind is PolicyKind.PROGRAM else str(draft.kind)
        blank = PolicyReview(id=self._store.reviews.id_of(key), kind=draft.kind)
        planned = replace(draft, id=blank.id, review_date=review_date)
        self._store.reviews.upsert_many([(blank, planned)], PolicyReview.plan)

    def lapse(self, due: Sequence[PolicyReview]) -> None:
        """Tells of rules that nobody reviewed in time. Their times decide, so however often it is called."""
        now = identity.now()
        self._store.reviews.update_many([(each.id, None) for each in due], lambda each, _: each.lapse(now))

    def reviews(self, filter: str, request: PageRequest) -> Page[PolicyReview]:
        """A page of rules that are to be reviewed."""
        return self._store.list_reviews(filter, request)
