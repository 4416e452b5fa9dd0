"""Use-cases of what customers are to each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date

from libs.chassis import identity
from libs.chassis.paging import Page, PageRequest
from services.profiles.customers.application.living import shredding, while_living
from services.profiles.customers.domain.relationships import (
    Relationship,
    RelationshipType,
    ReportingLines,
    Side,
    refuse_circle,
)
from services.profiles.customers.store import CustomersStore


class Relationships:
    """Adding, ending and listing relationships."""

    def __init__(self, store: CustomersStore) -> None:
        self._store = store

    def add(self, draft: Relationship) -> Relationship:
        """The relationship that a draft describes. A circle of reporting lines is refused."""
        draft = replace(draft, id=self._store.relationships.next_id())
        if draft.type is RelationshipType.REPORTS_TO:
            return self._store.database.transact(
                lambda: self._add_line(draft), again=lambda: self._store.relationships.get(draft.id)
            )
        return self._add(draft)

    def end(self, id: str, last_day: date | None, revision: int) -> Relationship:
        """The relationship with its last day, today (UTC) when none is given."""
        day = last_day or identity.now().date()
        ended = self._store.relationships.update(id, lambda each: each.end(day), revision=revision)
        return self._seen_now([ended])[0]

    def list(
        self, customer_id: str, wanted: PageRequest, *, side: Side, filter: str, on: date | None
    ) -> Page[Relationship]:
        """A page of relationships with the customer on one side."""
        customer = self._store.resolve(customer_id)
        page = self._store.list_relationships(customer.group, wanted, side=side, filter=filter, on=on)
        return replace(page, items=[*self._seen_now(page.items)])

    def _seen_now(self, found: Sequence[Relationship]) -> Sequence[Relationship]:
        """Relationships with who lives on in place of those who were merged."""
        ids = {id for each in found for id in (each.from_customer_id, each.to_customer_id)}
        merged = {each.id: each.merged_into for each in self._store.by_id(ids) if each.merged_into}
        return [each.seen_now(merged) for each in found]

    def _lines_from(self, people: Collection[str]) -> Iterator[Relationship]:
        """Every line from one of the people, under any of their ids, to a superior as he or she lives on."""
        owner = {id: each.id for each in self._store.by_id(people) for id in each.group}
        for line in self._seen_now(self._store.reporting_lines_from(owner)):
            yield replace(
                line,
                from_customer_id=owner[line.from_customer_id],
                to_customer_id=line.to_survivor_id or line.to_customer_id,
            )

    def _add(self, draft: Relationship) -> Relationship:
        left, right = self._store.customers.batch_get([draft.from_customer_id, draft.to_customer_id])
        left.require_unmerged()
        right.require_unmerged()
        relationships = self._store.relationships
        return while_living(
            self._store,
            [left.id, right.id],
            lambda: relationships.insert(draft.add(left, right)),
            shredding(relationships),
        )

    def _add_line(self, draft: Relationship) -> Relationship:
        refuse_circle(draft, self._lines_from)
        lines = ReportingLines(id=self._store.reporting_lines.id_of("tenant"))
        self._store.reporting_lines.upsert_many([(lines, draft)], lambda each, _: (each.changed(), []))
        return self._add(draft)
