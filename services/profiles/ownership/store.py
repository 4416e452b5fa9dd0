"""Ownerships, their history, and the policies about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection as Group
from collections.abc import Sequence

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.profiles.activity.store import ActivityStore
from services.profiles.contracts.domain import last_day
from services.profiles.contracts.store import ContractsStore
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.store import CustomersStore
from services.profiles.ownership.domain.negotiations import Negotiation
from services.profiles.ownership.domain.ownership import OwnerInterval, Ownership, OwnershipState, OwnerTally
from services.profiles.ownership.domain.policies import Circumstances, OwnershipPolicy
from services.profiles.segments.domain.subjects import last_contact
from services.profiles.segments.store import SegmentsStore

_OWNED = field("owner") > ""
LATE_DEALS_MAX = 100
"""Deals in a late stage that are counted of one customer."""
_MOST_PER_CUSTOMER = 100
"""Former owners of one customer that are looked at together."""

OWNERSHIPS = (Index(("customer_id",), only=_OWNED), Index(("customer_id", "state")), Index(("state", "-pool_time")))
INTERVALS = (
    Index(("customer_id", "-start_time")),
    Index(("customer_id", "owner")),
    Index(("customer_id", "end_time")),
)
LATE = field("late") == True  # noqa: E712  (a condition, not a comparison)
NEGOTIATIONS = (Index(("customer_id",), only=LATE),)
POLICIES = (
    Index(("-version",)),
    Index(("version",), unique=True, taken="another version was created meanwhile: read it, then decide"),
)


class OwnershipStore:
    """Ownerships and policies, and what is read of customers, activity, contracts and segments to decide about them."""

    def __init__(
        self,
        database: Database,
        *,
        customers: CustomersStore,
        activity: ActivityStore,
        contracts: ContractsStore,
        segments: SegmentsStore,
    ) -> None:
        self.database, self.customers = database, customers
        self.activity, self.contracts, self.segments = activity, contracts, segments
        self.ownerships = database.collection(Ownership, "ownerships", indexes=OWNERSHIPS)
        self.intervals = database.collection(
            OwnerInterval,
            "owner_intervals",
            indexes=INTERVALS,
            publishes=False,
        )
        self.tallies = database.collection(OwnerTally, "owner_tallies", publishes=False)
        self.negotiations = database.collection(Negotiation, "negotiations", indexes=NEGOTIATIONS, publishes=False)
        self.policies = database.collection(OwnershipPolicy, "ownership_policies", indexes=POLICIES)

    def of_customer(self, customer_id: str) -> Ownership:
        """The ownership of a customer, a new one when there was none."""
        return self.of_customers([customer_id])[customer_id]

    def of_customers(self, customer_ids: Group[str]) -> dict[str, Ownership]:
        """Customer → ownership, a new one for who had none."""
        ids = {self.ownerships.id_of(customer_id): customer_id for customer_id in customer_ids}
        found = {each.id: each for each in self.ownerships.find(field("_id").one_of(list(ids)), limit=len(ids))}
        return {
            customer_id: found.get(id, Ownership(id=id, customer_id=customer_id)) for id, customer_id in ids.items()
        }

    def tally_of(self, owner: str) -> OwnerTally:
        """The tally of an owner, an empty one when there was none."""
        blank = self.new_tally(owner)
        return self.tallies.find_by_id(blank.id) or blank

    def new_tally(self, owner: str) -> OwnerTally:
        """The tally of an owner who never had a customer."""
        return OwnerTally(id=self.tallies.id_of(owner), owner=owner)

    def circumstances(self, customers: Group[Customer]) -> dict[str, Circumstances]:
        """Customer → what a policy has to know, under any of their ids."""
        ids = [id for customer in customers for id in customer.group]
        records = {each.id: each for each in self.activity.contact_records(ids)}
        contracts = self.contracts.of_customers(ids)
        segments = self.segments.keys_of([customer.id for customer in customers])
        late = self._late_deals(ids)
        about = {}
        for customer in customers:
            theirs = [contract for id in customer.group for contract in contracts.get(id, ())]
            contacts = [last_contact(records[id]) for id in customer.group if id in records]
            about[customer.id] = Circumstances(
                segments=segments.get(customer.id, frozenset()),
                last_contact_time=max((at for at in contacts if at is not None), default=None),
                has_contract=bool(theirs),
                contract_end_date=last_day(theirs) if theirs else None,
                late_deals=sum(late[id] for id in customer.group),
            )
        return about

    def _late_deals(self, customer_ids: Sequence[str]) -> Counter[str]:
        """Customer → open deals in a late stage."""
        theirs = all_of(LATE, field("customer_id").one_of(customer_ids))
        limit = LATE_DEALS_MAX * len(customer_ids)
        found = self.negotiations.find(theirs, order=None, limit=limit) if customer_ids else []
        return Counter(each.customer_id for each in found)

    def owned_after(self, customer_id: str, limit: int) -> list[Ownership]:
        """Customers that somebody answers for, in the order of their ids, after one of them."""
        return self.ownerships.find(
            all_of(_OWNED, field("customer_id") > customer_id), order="customer_id", limit=limit
        )

    def list_pool(self, wanted: PageRequest) -> Page[Ownership]:
        """The customers in the pool, those who came last first."""
        return self.ownerships.page(field("state") == OwnershipState.POOLED, wanted, order="-pool_time")

    def list_intervals(self, customer_ids: Sequence[str], wanted: PageRequest) -> Page[OwnerInterval]:
        """Owners of a customer, under any of its ids, the latest first."""
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
