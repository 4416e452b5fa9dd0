"""Use-cases of what customers are to each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from libs.chassis import identity
from libs.chassis.paging import Page
from services.profiles.domain.relationships import Relationship, RelationshipType, ReportingLines, Side, refuse_circle
from services.profiles.store import ListRequest, ProfilesStore


class Relationships:
    """Adding, ending and listing relationships."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store

    def add(self, draft: Relationship) -> Relationship:
        """The relationship that a draft describes; a circle of reporting lines is refused."""
        draft = replace(draft, id=self._store.relationships.next_id())
        if draft.type is RelationshipType.REPORTS_TO:
            return self._store.database.transact(lambda: self._add_line(draft))
        return self._add(draft)

    def end(self, id: str, last_day: date | None, revision: int) -> Relationship:
        """The relationship with its last day, today (UTC) when none is given."""
        day = last_day or identity.now().date()
        return self._store.relationships.update(id, lambda each: each.ended(day), revision=revision)

    def list(
        self, customer_id: str, *, side: Side, filter: str, on: date | None, request: ListRequest
    ) -> Page[Relationship]:
        """A page of relationships with the customer on one side."""
        customer = self._store.customer(customer_id)
        return self._store.list_relationships(customer.group, side=side, filter=filter, on=on, request=request)

    def _add(self, draft: Relationship) -> Relationship:
        left, right = self._store.customers.batch_get([draft.from_customer_id, draft.to_customer_id])
        left.require_unmerged()
        right.require_unmerged()
        return self._store.relationships.insert(draft.added(left, right))

    def _add_line(self, draft: Relationship) -> Relationship:
        if self._store.relationships.find_by_id(draft.id) is None:  # A repeat would find the circle it closes itself.
            refuse_circle(draft, self._store.reporting_lines_from)
            id = self._store.reporting_lines.next_id("tenant")
            self._store.reporting_lines.fold([(id, lambda lines: ((lines or ReportingLines(id=id)).changed(), []))])
        return self._add(draft)
