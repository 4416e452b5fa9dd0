"""Use-cases of contracts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from libs.chassis import identity
from libs.chassis.paging import Page, PageRequest
from services.profiles.contracts.domain import Contract
from services.profiles.contracts.store import ContractsStore


class Contracts:
    """Contracts of customers with the company."""

    def __init__(self, store: ContractsStore) -> None:
        self._store = store
        self._contracts = store.contracts

    def add(self, draft: Contract) -> Contract:
        """The contract that a draft describes."""
        self._store.customers.writable(draft.customer_id)
        return self._contracts.insert(lambda id: replace(draft, id=id).add())

    def end(self, id: str, last_day: date | None, revision: int) -> Contract:
        """The contract with another last day, today (UTC) when none is given."""
        day = last_day or identity.now().date()
        return self._contracts.update(id, lambda contract: contract.end(day), revision=revision)

    def list(self, customer_id: str, wanted: PageRequest) -> Page[Contract]:
        """A page of contracts, the one that began last first."""
        return self._store.page(self._store.customers.resolve(customer_id).group, wanted)
