"""Where ownerships, the policies about them and contracts live."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterator, Sequence

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.contracts.domain import Contract
from services.profiles.ownership.domain.ownership import OwnerInterval, Ownership, OwnershipState, OwnerTally
from services.profiles.ownership.domain.policies import OwnershipPolicy

_OWNED = field("owner") > ""
_PORTION = 500
_MOST_PER_CUSTOMER = 100
"""Contracts, or former owners, of one customer that are looked at together."""

OWNERSHIPS = (Index(("customer_id",), only=_OWNED), Index(("customer_id", "state")), Index(("state", "-pool_time")))
INTERVALS = (
    Index(("customer_id", "-start_time")),
    Index(("customer_id", "owner")),
    Index(("customer_id", "end_time")),
)
POLICIES = (
    Index(("-version",)),
    Index(("version",), unique=True, taken="another version was created meanwhile: read it, then decide"),
)
CONTRACTS = (
    Index(("customer_id", "-valid_from_date")),
    Index(("number",), unique=True, taken="another contract has this number"),
)


class OwnershipStore:
    """The collections of ownership and the questions asked of them."""

    def __init__(self, database: Database) -> None:
        self.ownerships = database.collection(Ownership, "ownerships", indexes=OWNERSHIPS)
        self.intervals = database.collection(
            OwnerInterval,
            "owner_intervals",
            indexes=INTERVALS,
            publishes=False,
        )
        self.tallies = database.collection(OwnerTally, "owner_tallies", publishes=False)
        self.policies = database.collection(OwnershipPolicy, "ownership_policies", indexes=POLICIES)
        self.contracts = database.collection(Contract, "contracts", indexes=CONTRACTS)

    def of_customer(self, customer_id: str) -> Ownership:
        """The ownership of a customer, a new one when there was none."""
        return self.of_customers([customer_id])[customer_id]

    def of_customers(self, customer_ids: Group[str]) -> dict[str, Ownership]:
        """Customer → ownership, a new one for who had none."""
        ids = {self.ownerships.next_id(customer_id): customer_id for customer_id in customer_ids}
        found = {each.id: each for each in self.ownerships.find(field("_id").one_of(list(ids)), limit=len(ids))}
        return {
            customer_id: found.get(id, Ownership(id=id, customer_id=customer_id)) for id, customer_id in ids.items()
        }

    def tally_of(self, owner: str) -> OwnerTally:
        """The tally of an owner, an empty one when there was none."""
        id = self.tallies.next_id(owner)
        return self.tallies.find_by_id(id) or OwnerTally(id=id, owner=owner)

    def owned_after(self, customer_id: str, limit: int) -> list[Ownership]:
        """Customers that somebody answers for, in the order of their ids, after one of them."""
        return self.ownerships.find(
            all_of(_OWNED, field("customer_id") > customer_id), order="customer_id", limit=limit
        )

    def list_pool(self, wanted: PageRequest) -> Page[Ownership]:
        """The customers in the pool, those who came last first."""
        return self.ownerships.page(field("state") == OwnershipState.POOLED, wanted, order="-pool_time")

    def list_intervals(self, customer_ids: Sequence[str], wanted: PageRequest) -> Page[OwnerInterval]:
        """Who answered for a customer, under any of its ids, the latest first."""
        return self.intervals.page(field("customer_id").one_of(customer_ids), wanted, order="-start_time")

    def open_intervals(self, customer_ids: Group[str]) -> list[OwnerInterval]:
        """The times in which somebody answers for some customers now."""
        where = all_of(field("customer_id").one_of(list(customer_ids)), field("end_time").missing())
        return self.intervals.find(where, order="", limit=len(customer_ids)) if customer_ids else []

    def insert_intervals(self, keyed: Sequence[tuple[str, OwnerInterval]]) -> None:
        """Store times that begin, each with its natural key."""
        made = [(interval, ()) for _, interval in keyed]
        for outcome in self.intervals.insert_many(made, keys=[key for key, _ in keyed]) if keyed else []:
            if outcome.error is not None:
                raise outcome.error

    def former(self, customer_ids: Group[str], owner: str) -> dict[str, OwnerInterval]:
        """Customer → the last time that an owner answered for them, among the latest owners of each."""
        theirs = all_of(field("customer_id").one_of(list(customer_ids)), field("owner") == owner)
        found = self.intervals.find(theirs, order="", limit=_MOST_PER_CUSTOMER * len(customer_ids))
        return {each.customer_id: each for each in sorted(found, key=lambda each: each.start_time)}

    def policy(self, version: int = 0) -> OwnershipPolicy | None:
        """A version of the policy, or the one in force."""
        if version:
            return self.policies.find_one(field("version") == version)
        found = self.policies.find(None, order="-version", limit=1)
        return found[0] if found else None

    def list_policies(self, wanted: PageRequest) -> Page[OwnershipPolicy]:
        """The versions of the policy, the latest first."""
        return self.policies.page(None, wanted, order="-version")

    def contracts_of(self, customer_ids: Group[str]) -> dict[str, list[Contract]]:
        """Customer → contracts, the one that began last first; of those who have any."""
        theirs: dict[str, list[Contract]] = {}
        found = self.contracts.find(
            field("customer_id").one_of(list(customer_ids)), order="", limit=_MOST_PER_CUSTOMER * len(customer_ids)
        )
        for contract in sorted(found, key=lambda each: each.valid_from_date, reverse=True):
            theirs.setdefault(contract.customer_id, []).append(contract)
        return theirs

    def contracts_of_all(self) -> Iterator[list[Contract]]:
        """Every contract of the tenant, in portions."""
        after = ""
        while batch := self.contracts.find(field("_id") > after, order="", limit=_PORTION):
            yield batch
            after = batch[-1].id

    def list_contracts(self, customer_ids: Sequence[str], wanted: PageRequest) -> Page[Contract]:
        """The contracts with a customer, under any of its ids, the one that began last first."""
        return self.contracts.page(field("customer_id").one_of(customer_ids), wanted, order="-valid_from_date")
