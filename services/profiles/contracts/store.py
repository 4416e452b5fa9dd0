"""Contracts, by customer and number."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterator, Sequence
from typing import Final

from libs.chassis.filtering import field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.contracts.domain import Contract
from services.profiles.customers.store import CustomersStore

CONTRACTS = (
    Index(("customer_id", "-valid_from_date")),
    Index(("number",), unique=True, taken="another contract has this number"),
)
_PORTION: Final = 500
_MOST_PER_CUSTOMER: Final = 100
"""Contracts of one customer that are looked at together."""


class ContractsStore:
    """Contracts."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.contracts = database.collection(Contract, "contracts", indexes=CONTRACTS)

    def of_customers(self, customer_ids: Group[str]) -> dict[str, list[Contract]]:
        """Customer → contracts, the one that began last first. Of those who have any."""
        theirs: dict[str, list[Contract]] = {}
        found = self.contracts.find(
            field("customer_id").one_of(list(customer_ids)), order="", limit=_MOST_PER_CUSTOMER * len(customer_ids)
        )
        for contract in sorted(found, key=lambda each: each.valid_from_date, reverse=True):
            theirs.setdefault(contract.customer_id, []).append(contract)
        return theirs

    def of_all(self) -> Iterator[list[Contract]]:
        """Every contract of the tenant, in portions."""
        after = ""
        while batch := self.contracts.find(field("_id") > after, order="", limit=_PORTION):
            yield batch
            after = batch[-1].id

    def page(self, customer_ids: Sequence[str], wanted: PageRequest) -> Page[Contract]:
        """The contracts with a customer, under any of its ids, the one that began last first."""
        return self.contracts.page(field("customer_id").one_of(customer_ids), wanted, order="-valid_from_date")
