"""Customers and relationships, with the indexes that serve every question about them."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from libs.chassis.domain import InvalidArgument
from libs.chassis.filtering import Condition, FilterSpec, all_of, any_of, field, parse
from libs.chassis.paging import Order, Page, PageRequest, Position, parse_order
from libs.chassis.store import BlindIndexes, Database, Index
from services.profiles.customers.domain.contact_points import ContactPointType
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.external_ids import ExternalId
from services.profiles.customers.domain.lifecycle import Lifecycle
from services.profiles.customers.domain.relationships import Relationship, RelationshipType, ReportingLines, Side

MERGED = Index(("merged_into",), only=field("merged_into") > "")
"""The customers who were merged into others: few, so that computations over everybody can know all of them."""
PURGES = Index(("purge_time",), only=field("purge_time").exists(), every_tenant=True)
"""The customers who were deleted and not erased yet."""
CUSTOMERS = (
    PURGES,
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
RELATIONSHIPS = (Index(("from_customer_id", "-create_time")), Index(("to_customer_id", "-create_time")))

BEGINNINGS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
"""Lengths of the beginnings of names that are indexed. In between, and beyond, what is found is looked through."""


def _beginnings(customer: Customer) -> Iterator[str]:
    return (key[:length] for key in customer.search_keys for length in BEGINNINGS if length <= len(key))


def _contact_point(type: ContactPointType, canonical: str) -> str:
    return f"{type}:{canonical}"


def _external_id(each: ExternalId) -> str:
    return f"{each.system}:{each.id}"


BLIND: Final[BlindIndexes] = {
    "names": _beginnings,
    "contact_points": lambda customer: [_contact_point(p.type, p.canonical) for p in customer.contact_points],
    "external_ids": lambda customer: [_external_id(each) for each in customer.external_ids],
}

CUSTOMER_FILTER = FilterSpec(
    {"kind": CustomerKind, "lifecycle": Lifecycle, "owner": str, "create_time": datetime, "update_time": datetime}
)
CUSTOMER_ORDER = ("create_time", "update_time")
RELATIONSHIP_FILTER = FilterSpec({"type": RelationshipType})
LIVE = field("delete_time").missing()
_OLDEST: Final = Order("create_time")
_BATCH: Final = 500
_MOST_LINES: Final = 5000
"""Reporting lines of one level of a hierarchy."""


class CustomersStore:
    """Customers, and what they are to each other."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customers = database.collection(Customer, "customers", indexes=CUSTOMERS, blind=BLIND, notes_commands=True)
        self.relationships = database.collection(Relationship, "relationships", indexes=RELATIONSHIPS)
        self.reporting_lines = database.collection(ReportingLines, "reporting_lines", publishes=False)

    def resolve(self, id: str) -> Customer:
        """The customer that an id leads to: who lives on, when it was merged."""
        found = self.customers.get(id)
        return self.customers.get(found.merged_into) if found.merged_into else found

    def resolve_many(self, ids: Sequence[str]) -> list[Customer]:
        """The customers that ids lead to, in their order."""
        found = self.customers.batch_get(ids)
        lives_on = sorted({each.merged_into for each in found if each.merged_into})
        survivors = {each.id: each for each in self.customers.batch_get(lives_on)} if lives_on else {}
        return [survivors.get(each.merged_into, each) for each in found]

    def writable(self, id: str) -> Customer:
        """The customer. Refused when it was merged."""
        found = self.customers.get(id)
        found.require_unmerged()
        return found

    def live(self, ids: Group[str]) -> list[Customer]:
        """Those of the ids whose customer lives, in any order."""
        return self.customers.find(all_of(field("_id").one_of(sorted(ids)), LIVE), limit=len(ids)) if ids else []

    def at_stage(self, stage: Lifecycle, last: tuple[datetime, str] | None, limit: int) -> list[Customer]:
        """Live customers at a stage, the newest first, after the one with this time of creation and id."""
        older = Order("-create_time").after(Position(last)) if last is not None else None
        return self.customers.find(all_of(field("lifecycle") == stage, older, LIVE), order="-create_time", limit=limit)

    def page(self, filter: str, order_by: str, wanted: PageRequest, *, show_deleted: bool) -> Page[Customer]:
        """Customers that meet an AIP-160 filter."""
        where = all_of(parse(filter, CUSTOMER_FILTER), None if show_deleted else LIVE)
        order = parse_order(order_by, CUSTOMER_ORDER, default="-create_time")
        if len(order) > 1:
            raise InvalidArgument.field("order_by", f"takes one field of {', '.join(CUSTOMER_ORDER)}, not {len(order)}")
        return self.customers.page(where, wanted, order=order)

    def search(self, beginning: str, limit: int) -> list[Customer]:
        """Live customers with a search key that begins like this."""
        length = max(length for length in BEGINNINGS if length <= len(beginning))
        token = self.customers.blind_index("names", beginning[:length])
        found = self.customers.find(
            field("_blind.names") == token, order=None, limit=limit if length == len(beginning) else _BATCH
        )
        return [each for each in found if any(key.startswith(beginning) for key in each.search_keys)][:limit]

    def with_contact_point(self, type: ContactPointType, canonical: str, wanted: PageRequest) -> Page[Customer]:
        """Live customers who use a contact point."""
        token = self.customers.blind_index("contact_points", _contact_point(type, canonical))
        return self.customers.page(all_of(field("_blind.contact_points") == token, LIVE), wanted, order="-create_time")

    def with_external_ids(self, ids: Group[ExternalId]) -> dict[ExternalId, Customer]:
        """The customer of each external id that somebody has."""
        tokens = [self.customers.blind_index("external_ids", _external_id(each)) for each in ids]
        found = self.customers.find(field("_blind.external_ids").one_of(tokens), limit=_BATCH) if tokens else []
        return {each: customer for customer in found for each in customer.external_ids if each in ids}

    def known(self, ids: Group[str]) -> dict[str, Customer]:
        """The customers of those of the ids that belong to one."""
        return {customer.id: customer for customer in self.customers.find(field("_id").one_of(list(ids)), limit=_BATCH)}

    def by_id(self, ids: Group[str]) -> list[Customer]:
        """The customers of those ids that belong to one."""
        return self.customers.find(field("_id").one_of(list(ids)), limit=len(ids)) if ids else []

    def parties(self, ids: Group[str]) -> list[Customer]:
        """The customers of ids and, of those who were merged, also whoever lives on."""
        found = self.by_id(ids)
        return [*found, *self.by_id({each.merged_into for each in found} - {"", *ids})]

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Customer into whom others were merged → all of the ids."""
        found: dict[str, tuple[str, ...]] = {}
        after = ""
        while merged := self.customers.find(field("merged_into") > after, order="merged_into", limit=_BATCH):
            survivors = sorted({each.merged_into for each in merged})
            found |= {each.id: each.group for each in self.customers.batch_get(survivors)}
            after = survivors[-1]
        return found

    def after(self, last: tuple[datetime, str] | None, limit: int) -> list[Customer]:
        """Every customer, the oldest first, after the one with this time of creation and id."""
        younger = _OLDEST.after(Position(last)) if last is not None else None
        return self.customers.find(younger, order="create_time", limit=limit)

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
        return self.relationships.page(where, wanted, order="-create_time")

    def reporting_lines_from(self, people: Group[str]) -> list[Relationship]:
        """Every line, past ones too, from one of the people to a superior."""
        lines = all_of(field("from_customer_id").one_of(list(people)), field("type") == RelationshipType.REPORTS_TO)
        return self.relationships.find(lines, limit=_MOST_LINES)


def _lasts(on: date) -> Condition:
    return all_of(
        any_of(field("valid_from_date").missing(), field("valid_from_date") <= on),
        any_of(field("valid_to_date").missing(), field("valid_to_date") >= on),
    )
