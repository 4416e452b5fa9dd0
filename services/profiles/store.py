"""Where customers and what belongs to them live, and the indexes that serve every question about them."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from libs.chassis.domain import E, InvalidArgument
from libs.chassis.filtering import Condition, FilterSpec, all_of, any_of, field, parse
from libs.chassis.operations import Operations
from libs.chassis.paging import Order, Page, PageRequest, Position, parse_order
from libs.chassis.store import BlindIndexes, Collection, Database, Due, Index
from services.profiles.activity.domain.facts import PersonalFact
from services.profiles.activity.domain.habits import ContactRecord
from services.profiles.activity.domain.transactions import Transaction, TransactionSummary, TransactionType
from services.profiles.consent.domain.receipts import ConsentReceipt
from services.profiles.customers.domain.contact_points import ContactPointType
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.customers.domain.relationships import Relationship, RelationshipType, ReportingLines, Side
from services.profiles.entitlements.store import EntitlementStore
from services.profiles.identity.store import IdentityStore
from services.profiles.ownership.store import OwnershipStore
from services.profiles.privacy.store import Holding, PrivacyStore
from services.profiles.schedules.domain import Schedule
from services.profiles.segments.store import SegmentStore
from services.profiles.worth.store import FIGURES, MERGED, WorthStore

CUSTOMERS = (
    Index(("-create_time",)),
    Index(("-update_time",)),
    Index(("kind", "-create_time")),
    Index(("lifecycle", "-create_time")),
    Index(("owner", "-create_time")),
    Index(("_blind.names",)),
    Index(("_blind.contact_points", "-create_time")),
    MERGED,
    Index(
        ("_blind.external_ids",),
        unique=True,
        only=field("_blind.external_ids").exists(),
        taken="an external id belongs to another customer, perhaps a deleted one",
    ),
)
RECEIPTS = (Index(("customer_id", "-sequence")),)
RELATIONSHIPS = (Index(("from_customer_id", "-create_time")), Index(("to_customer_id", "-create_time")))
FACTS = (Index(("customer_id", "-create_time")),)
TRANSACTIONS = (Index(("customer_id", "-occurred_time")), FIGURES)

PLANNED = field("next_time") > datetime(1970, 1, 1, tzinfo=UTC)
SCHEDULE_BATCH = 50
"""Schedules that are started in one go."""
SCHEDULES = (Index(("kind",)), Index(("next_time",), only=PLANNED, every_tenant=True))

BEGINNINGS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
"""Lengths of the beginnings of names that are indexed; in between, and beyond, what is found is looked through."""


def _beginnings(customer: Customer) -> Iterator[str]:
    return (key[:length] for key in customer.search_keys for length in BEGINNINGS if length <= len(key))


def _contact_point(type: ContactPointType, canonical: str) -> str:
    return f"{type}:{canonical}"


def _external_id(each: ExternalId) -> str:
    return f"{each.system}:{each.id}"


BLIND: BlindIndexes = {
    "names": _beginnings,
    "contact_points": lambda customer: [_contact_point(p.type, p.canonical) for p in customer.contact_points],
    "external_ids": lambda customer: [_external_id(each) for each in customer.external_ids],
}

CUSTOMER_FILTER = FilterSpec(
    {"kind": CustomerKind, "lifecycle": Lifecycle, "owner": str, "create_time": datetime, "update_time": datetime}
)
CUSTOMER_ORDER = ("create_time", "update_time")
RELATIONSHIP_FILTER = FilterSpec({"type": RelationshipType})
TRANSACTION_FILTER = FilterSpec({"type": TransactionType, "occurred_time": datetime})
LIVE = field("delete_time").missing()
_BATCH = 500
_MOST_LINES = 5000
"""Reporting lines of one level of a hierarchy."""


class ProfilesStore:
    """The collections of the service and the questions asked of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customers = database.collection(Customer, "customers", indexes=CUSTOMERS, blind=BLIND)
        self.receipts = database.collection(ConsentReceipt, "receipts", indexes=RECEIPTS, publishes=False)
        self.relationships = database.collection(Relationship, "relationships", indexes=RELATIONSHIPS)
        self.reporting_lines = database.collection(ReportingLines, "reporting_lines", publishes=False)
        self.facts = database.collection(PersonalFact, "facts", indexes=FACTS)
        self.transactions = database.collection(Transaction, "transactions", indexes=TRANSACTIONS)
        self.summaries = database.collection(TransactionSummary, "transaction_summaries", publishes=False)
        self.contacts = database.collection(ContactRecord, "contact_records", publishes=False)
        self.identity = IdentityStore(database)
        self.worth = WorthStore(database, self.customers, self.transactions)
        self.segments = SegmentStore(database)
        self.ownership = OwnershipStore(database)
        self.entitlements = EntitlementStore(database)
        self.privacy = PrivacyStore(database, self._holdings())
        self.operations = Operations(database)
        self.schedules = database.collection(Schedule, "schedules", indexes=SCHEDULES, publishes=False)

    def _holdings(self) -> dict[str, Holding]:
        """Name of a record in an export → where such records are, for all that is held on customers besides."""
        worth, identity, ownership = self.worth, self.identity, self.ownership
        pair, sides, names = ("customer_ids",), ("from_customer_id", "to_customer_id"), "what it says of nobody by name"
        return {
            "consent_receipt": Holding(self.receipts, "-sequence", kept="proof of what was agreed to"),
            "fact": Holding(self.facts, "-create_time", kept="that there was one"),
            "relationship": Holding(self.relationships, "-create_time", sides, kept="that there was one"),
            "transaction": Holding(self.transactions, "-occurred_time", kept="fiscal records"),
            "duplicate_candidate": Holding(identity.candidates, "-score", pair, kept="who was held to be whom"),
            "merge": Holding(identity.merges, "-epoch", ("party_ids",), kept="where old ids lead"),
            "ownership": Holding(ownership.ownerships, "customer_id", kept=names),
            "owner_interval": Holding(ownership.intervals, "-start_time", kept="who was responsible"),
            "contract": Holding(ownership.contracts, "-valid_from_date", kept="fiscal records"),
            "segment_membership": Holding(self.segments.memberships, "-enter_time", kept="counts of segments"),
            "entitlement": Holding(
                self.entitlements.entitlements, "-create_time", ("subject",), kept="what was granted"
            ),
            "tier_assignment": Holding(worth.assignments, "customer_id", kept="counts of tiers"),
            "clv_score": Holding(worth.scores, "", ("_id",)),
            "tier_watch": Holding(worth.watches, "", ("_id",)),
            "contact_record": Holding(self.contacts, "", ("_id",)),
        }

    def planned(self) -> list[Schedule]:
        """The schedules of a tenant that are in force, by their kinds."""
        return [each for each in self.schedules.find(None, order="kind", limit=_BATCH) if each.next_time is not None]

    def due_schedules(self) -> Due[Schedule]:
        """Schedules whose time has come, the earliest first."""
        return Due(
            self.schedules,
            lambda now: all_of(PLANNED, field("next_time") <= now),
            order="next_time",
            limit=SCHEDULE_BATCH,
        )

    # ------------------------------------------------------------------------------------------------ customers

    def customer(self, id: str) -> Customer:
        """The customer that an id leads to: who lives on, when it was merged."""
        found = self.customers.get(id)
        return self.customers.get(found.merged_into) if found.merged_into else found

    def customers_of(self, ids: Sequence[str]) -> list[Customer]:
        """The customers that ids lead to, in their order."""
        found = self.customers.batch_get(ids)
        lives_on = sorted({each.merged_into for each in found if each.merged_into})
        survivors = {each.id: each for each in self.customers.batch_get(lives_on)} if lives_on else {}
        return [survivors.get(each.merged_into, each) for each in found]

    def writable_customer(self, id: str) -> Customer:
        """The customer; refused when it was merged."""
        found = self.customers.get(id)
        found.require_unmerged()
        return found

    def live_customers(self, ids: Group[str]) -> list[Customer]:
        """Those of the ids whose customer lives, in any order."""
        return self.customers.find(all_of(field("_id").one_of(sorted(ids)), LIVE), limit=len(ids)) if ids else []

    def customers_at(self, stage: Lifecycle, last: tuple[datetime, str] | None, limit: int) -> list[Customer]:
        """Live customers at a stage, the newest first, after the one with this time of creation and id."""
        older = Order("-create_time").after(Position(last)) if last is not None else None
        return self.customers.find(all_of(field("lifecycle") == stage, older, LIVE), order="-create_time", limit=limit)

    def list_customers(self, filter: str, order_by: str, wanted: PageRequest, *, show_deleted: bool) -> Page[Customer]:
        """Customers that meet an AIP-160 filter."""
        where = all_of(parse(filter, CUSTOMER_FILTER), None if show_deleted else LIVE)
        order = parse_order(order_by, CUSTOMER_ORDER, default="-create_time")
        if len(order) > 1:
            raise InvalidArgument.field("order_by", f"takes one field of {', '.join(CUSTOMER_ORDER)}, not {len(order)}")
        return _page(self.customers, where, order, wanted)

    def search_customers(self, beginning: str, limit: int) -> list[Customer]:
        """Live customers with a search key that begins like this."""
        length = max(length for length in BEGINNINGS if length <= len(beginning))
        token = self.customers.blind_index("names", beginning[:length])
        found = self.customers.find(
            field("_blind.names") == token, order=None, limit=limit if length == len(beginning) else _BATCH
        )
        return [each for each in found if any(key.startswith(beginning) for key in each.search_keys)][:limit]

    def customers_with_contact_point(
        self, type: ContactPointType, canonical: str, wanted: PageRequest
    ) -> Page[Customer]:
        """Live customers who use a contact point."""
        token = self.customers.blind_index("contact_points", _contact_point(type, canonical))
        return _page(self.customers, all_of(field("_blind.contact_points") == token, LIVE), "-create_time", wanted)

    def customers_with_external_ids(self, ids: Group[ExternalId]) -> dict[ExternalId, Customer]:
        """The customer of each external id that somebody has."""
        tokens = [self.customers.blind_index("external_ids", _external_id(each)) for each in ids]
        found = self.customers.find(field("_blind.external_ids").one_of(tokens), limit=_BATCH) if tokens else []
        return {each: customer for customer in found for each in customer.external_ids if each in ids}

    def known_customers(self, ids: Group[str]) -> dict[str, Customer]:
        """The customers of those of the ids that belong to one."""
        return {customer.id: customer for customer in self.customers.find(field("_id").one_of(list(ids)), limit=_BATCH)}

    def customers_by_id(self, ids: Group[str]) -> list[Customer]:
        """The customers of those ids that belong to one."""
        return self.customers.find(field("_id").one_of(list(ids)), limit=len(ids)) if ids else []

    def parties(self, ids: Group[str]) -> list[Customer]:
        """The customers of ids and, of those who were merged, also whoever lives on."""
        found = self.customers_by_id(ids)
        return [*found, *self.customers_by_id({each.merged_into for each in found} - {"", *ids})]

    # ------------------------------------------------------------------------------------------------- consent

    def list_receipts(self, customer_id: str, wanted: PageRequest) -> Page[ConsentReceipt]:
        """The receipts of a customer, the newest first."""
        return _page(self.receipts, field("customer_id") == customer_id, "-sequence", wanted)

    def chain(self, customer_id: str) -> Iterator[ConsentReceipt]:
        """Every receipt of a customer, the oldest first."""
        last = 0
        while batch := self.receipts.find(
            all_of(field("customer_id") == customer_id, field("sequence") > last), order="sequence", limit=_BATCH
        ):
            yield from batch
            last = batch[-1].sequence

    # ------------------------------------------------------------------------------------------- relationships

    def list_relationships(
        self, customer_ids: Sequence[str], wanted: PageRequest, *, side: Side, filter: str, on: date | None
    ) -> Page[Relationship]:
        """Relationships with a customer, under any of its ids, on one side, perhaps only those that last on a day."""
        where = all_of(
            field(f"{side.lower()}_customer_id").one_of(customer_ids),
            parse(filter, RELATIONSHIP_FILTER),
            _lasts(on) if on else None,
        )
        return _page(self.relationships, where, "-create_time", wanted)

    def reporting_lines_from(self, people: Group[str]) -> list[Relationship]:
        """Every line, past ones too, from one of the people to a superior."""
        lines = all_of(field("from_customer_id").one_of(list(people)), field("type") == RelationshipType.REPORTS_TO)
        return self.relationships.find(lines, limit=_MOST_LINES)

    # ------------------------------------------------------------------------------------- facts, transactions

    def contact_records(self, customer_ids: Sequence[str]) -> list[ContactRecord]:
        """What is known of the contacts with a customer, under each of its ids."""
        return self.contacts.find(field("_id").one_of(customer_ids), limit=len(customer_ids))

    def transaction_summaries(self, customer_ids: Sequence[str]) -> list[TransactionSummary]:
        """What the transactions of a customer come to, under each of its ids."""
        return self.summaries.find(field("_id").one_of(customer_ids), limit=len(customer_ids))

    def list_facts(self, customer_ids: Sequence[str], wanted: PageRequest) -> Page[PersonalFact]:
        """The facts about a customer, under any of its ids, that were not removed, the newest first."""
        return _page(self.facts, all_of(field("customer_id").one_of(customer_ids), LIVE), "-create_time", wanted)

    def list_transactions(self, customer_ids: Sequence[str], filter: str, wanted: PageRequest) -> Page[Transaction]:
        """The transactions of a customer, under any of its ids, the latest occurrence first."""
        where = all_of(field("customer_id").one_of(customer_ids), parse(filter, TRANSACTION_FILTER))
        return _page(self.transactions, where, "-occurred_time", wanted)


def _page(collection: Collection[E], where: Condition, order: str | Sequence[str], wanted: PageRequest) -> Page[E]:
    return collection.page(where, wanted, order=order)


def _lasts(on: date) -> Condition:
    return all_of(
        any_of(field("valid_from_date").missing(), field("valid_from_date") <= on),
        any_of(field("valid_to_date").missing(), field("valid_to_date") >= on),
    )
