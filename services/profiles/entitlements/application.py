"""Use-cases of entitlements."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.profiles.customers.application.living import shredding, while_living
from services.profiles.entitlements.domain import Basis, Claimant, CustomerEntitlements, Entitlement, resolve
from services.profiles.entitlements.store import EntitlementsStore


class Entitlements:
    """Entitlements of customers."""

    def __init__(self, store: EntitlementsStore) -> None:
        self._store = store
        self._entitlements = store.entitlements

    def create(self, draft: Entitlement) -> Entitlement:
        """The entitlement that a draft describes."""
        author = context.current().actor
        return while_living(
            self._store.customers,
            [draft.subject] if draft.basis is Basis.CUSTOMER else [],
            lambda: self._entitlements.insert(lambda id: replace(draft, id=id).create(author)),
            shredding(self._entitlements),
        )

    def end(self, id: str, last_day: date | None, revision: int) -> Entitlement:
        """The entitlement with another last day, today (UTC) when none is given."""
        day = last_day or identity.now().date()
        return self._entitlements.update(id, lambda each: each.end(day), revision=revision)

    def list(self, filter: str, wanted: PageRequest) -> Page[Entitlement]:
        """A page of entitlements, the newest first."""
        return self._store.page(filter, wanted)

    def of_customer(self, customer_id: str, on: date | None) -> CustomerEntitlements:
        """Entitlements of a customer on a day, today (UTC) when none is given."""
        customer = self._store.customers.resolve(customer_id)
        day = on or identity.now().date()
        contracts = [each for theirs in self._store.contracts.of_customers(customer.group).values() for each in theirs]
        claimant = Claimant(
            customer_ids=customer.group,
            segments=self._store.segments.keys_of([customer.id]).get(customer.id, frozenset()),
            plans={each.plan: each.number for each in reversed(contracts) if each.runs_on(day)},
        )
        return resolve(claimant, self._store.about(claimant.subjects), day)
