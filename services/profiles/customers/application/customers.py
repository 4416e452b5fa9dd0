"""Use-cases of customers and the ways to reach them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from libs.chassis import identity
from libs.chassis.domain import Change, InvalidArgument
from libs.chassis.paging import Page, PageRequest
from libs.chassis.rows import row_by_row
from libs.chassis.store import Outcome
from services.profiles.customers.domain.contact_points import (
    ContactPoint,
    ContactPointStatus,
    Spelling,
    VerificationMethod,
)
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.text import fold
from services.profiles.customers.store import CustomersStore

DEFAULT_HITS, MOST_HITS = 20, 50


class Customers:
    """Creating, finding and changing customers."""

    def __init__(self, store: CustomersStore) -> None:
        self._store = store
        self._customers = store.customers

    def create(self, draft: Customer) -> Customer:
        """The customer that a draft describes."""
        return self._customers.insert(lambda id: replace(draft, id=id).create())

    def import_rows(self, rows: Sequence[tuple[str, Callable[[], Customer]]]) -> list[Outcome[Customer]]:
        """The outcome of each row, which is its own request id and what reads its draft."""

        def make(row: tuple[str, Callable[[], Customer]]) -> tuple[str, Change[Customer]]:
            request_id, read = row
            return f"row/{request_id.lower()}", read().create()

        def store(made: Sequence[tuple[str, Change[Customer]]]) -> Sequence[Outcome[Customer]]:
            return self._customers.insert_many([each for _, each in made], keys=[key for key, _ in made])

        return row_by_row(rows, make, store)

    def get(self, id: str) -> Customer:
        """One customer, live or deleted. Who lives on, when it was merged."""
        return self._store.resolve(id)

    def batch_get(self, ids: Sequence[str]) -> list[Customer]:
        """Several customers in the order asked for, survivors in the place of those who were merged."""
        return self._store.resolve_many(ids)

    def list(self, filter: str, order_by: str, wanted: PageRequest, *, show_deleted: bool) -> Page[Customer]:
        """A page of customers that meet a filter."""
        return self._store.page(filter, order_by, wanted, show_deleted=show_deleted)

    def search(self, query: str, limit: int) -> Sequence[Customer]:
        """Live customers by how a name begins, those whose name is nearly complete first."""
        if limit < 0:
            raise InvalidArgument.field("page_size", f"{limit} is negative; 0 means {DEFAULT_HITS}")
        beginning = fold(query)
        if not beginning:
            raise InvalidArgument.field("query", "holds neither a letter nor a digit")
        hits = self._store.search(beginning, min(limit or DEFAULT_HITS, MOST_HITS))
        return sorted(hits, key=lambda hit: (hit.letters_beyond(beginning), hit.display_name, hit.id))

    def lookup_contact_point(self, spelling: Spelling, wanted: PageRequest) -> Page[Customer]:
        """Live customers who use a contact point."""
        return self._store.with_contact_point(spelling.type, spelling.canonical(), wanted)

    def lookup_external_id(self, external_id: ExternalId) -> Page[Customer]:
        """The live customer who has an external id, or nobody."""
        found = self._store.with_external_ids([external_id]).get(external_id)
        return Page([found] if found is not None and found.delete_time is None else [], "")

    def update(self, id: str, draft: Callable[[Customer], Customer], revision: int) -> Customer:
        """The customer with the changes that `draft` makes to the current one."""
        return self._customers.update(id, lambda customer: customer.revise(draft(customer)), revision=revision)

    def delete(self, id: str, revision: int) -> Customer:
        """The customer, deleted and kept for a while."""
        at = identity.now()
        return self._customers.update(id, lambda customer: customer.delete(at), revision=revision)

    def undelete(self, id: str, revision: int) -> Customer:
        """The customer, live again."""
        at = identity.now()
        return self._customers.update(id, lambda customer: customer.undelete(at), revision=revision)

    def add_contact_point(self, id: str, point: ContactPoint, revision: int) -> Customer:
        """The customer with one more contact point."""
        return self._customers.update(id, lambda customer: customer.with_contact_point(point), revision=revision)

    def verify_contact_point(
        self, id: str, spelling: Spelling, method: VerificationMethod, at: datetime | None, revision: int
    ) -> Customer:
        """The customer with a contact point shown to be theirs."""
        now = identity.now()
        return self._change_contact_point(id, spelling, lambda point: point.verified(method, at or now, now), revision)

    def report_contact_point(self, id: str, spelling: Spelling, status: ContactPointStatus, revision: int) -> Customer:
        """The customer with what a sender learned about a contact point."""
        return self._change_contact_point(id, spelling, lambda point: point.reported(status), revision)

    def remove_contact_point(self, id: str, spelling: Spelling, revision: int) -> Customer:
        """The customer without a contact point."""
        return self._customers.update(
            id, lambda customer: customer.without_contact_point(customer.contact_point(spelling)), revision=revision
        )

    def _change_contact_point(
        self, id: str, spelling: Spelling, change: Callable[[ContactPoint], ContactPoint], revision: int
    ) -> Customer:
        def changed(customer: Customer) -> Change[Customer]:
            point = customer.contact_point(spelling)
            return customer.with_changed_contact_point(point, change(point))

        return self._customers.update(id, changed, revision=revision)
