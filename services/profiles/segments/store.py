"""Segments and memberships, and how a filter becomes a rule."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from libs.chassis import filtering
from libs.chassis.domain import InvalidArgument
from libs.chassis.filtering import Condition, FilterSpec, all_of, field, parse
from libs.chassis.paging import Order, Page, PageRequest, Position
from libs.chassis.store import Database, Due, Index
from services.profiles.activity.domain.habits import ContactRecord
from services.profiles.activity.domain.transactions import TransactionSummary
from services.profiles.activity.store import ActivityStore
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.store import CustomersStore
from services.profiles.segments.domain.rules import AllOf, AnyOf, Clause, Rule, required
from services.profiles.segments.domain.segments import (
    MembershipState,
    Segment,
    SegmentMembership,
    SegmentState,
    Standing,
)
from services.profiles.segments.domain.subjects import FAMILIES, FIELDS, Source, Subject, field_of
from services.profiles.worth.store import WorthStore

_ACTIVE = field("state") == SegmentState.ACTIVE
_MEMBER = field("state") == MembershipState.MEMBER
_STALE = field("stale") == True  # noqa: E712  (a condition, not a comparison)
_WAKES = field("next_evaluation_time") > datetime(1970, 1, 1, tzinfo=UTC)

SEGMENTS = (
    Index(("key",)),
    Index(("state", "key")),
    Index(("stale",), only=_STALE, every_tenant=True),
)
MEMBERSHIPS = (
    Index(("segment_id", "-enter_time"), only=_MEMBER),
    Index(("customer_id", "-enter_time")),
    Index(("customer_id",)),
)
STANDINGS = (Index(("next_evaluation_time",), only=_WAKES, every_tenant=True),)

_NEWEST = Order("-create_time")
_MOST_SEGMENTS = 1000
_PORTION = 500
_DUE = 200
"""Standings, or segments, that a timer takes on at once."""
_NARROWING = ("owner", "lifecycle", "kind")
"""Fields of customers with an index that a filter may be sampled by, the most selective first."""


class SegmentsStore:
    """Segments and memberships, and what is read of customers, activity and worth to evaluate them."""

    def __init__(
        self, database: Database, customers: CustomersStore, activity: ActivityStore, worth: WorthStore
    ) -> None:
        self.database, self.customers, self.activity, self.worth = database, customers, activity, worth
        self.segments = database.collection(Segment, "segments", indexes=SEGMENTS)
        self.memberships = database.collection(SegmentMembership, "segment_memberships", indexes=MEMBERSHIPS)
        self.standings = database.collection(Standing, "segment_standings", indexes=STANDINGS, publishes=False)

    def active(self) -> list[Segment]:
        """The segments in use."""
        return self.segments.find(_ACTIVE, order="key", limit=_MOST_SEGMENTS)

    def stale(self) -> list[Segment]:
        """Segments for which every customer has to be looked at. Of the tenant."""
        return [segment for segment in self.segments.find(None, order="key", limit=_MOST_SEGMENTS) if segment.stale]

    def to_evaluate(self) -> Due[Segment]:
        """Such segments of every tenant."""
        return Due(self.segments, lambda _: _STALE, order="stale", limit=_DUE)

    def find(self, name: str) -> Segment | None:
        """The segment of an id or a key."""
        return self.segments.find_by_id(name if name.startswith("seg_") else self.segments.id_of(name))

    def page(self, wanted: PageRequest, *, show_retired: bool) -> Page[Segment]:
        """Segments in the order of their keys."""
        where = None if show_retired else _ACTIVE
        return self.segments.page(where, wanted, order="key")

    def list_members(self, segment_id: str, wanted: PageRequest) -> Page[SegmentMembership]:
        """Members of a segment, those who came last first."""
        return self._memberships(field("segment_id") == segment_id, wanted)

    def list_of_customer(self, customer_id: str, wanted: PageRequest) -> Page[SegmentMembership]:
        """Memberships of a customer, the latest first."""
        return self._memberships(field("customer_id") == customer_id, wanted)

    def standings_of(self, customer_ids: Group[str]) -> dict[str, Standing]:
        """Customer → standing, of those that were evaluated before."""
        found = self.standings.find(field("_id").one_of(list(customer_ids)), limit=len(customer_ids))
        return {standing.id: standing for standing in found}

    def belonging(self, customer_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Customer → segments that they belong to, of any number of customers that were evaluated before."""
        portions = (customer_ids[i : i + _PORTION] for i in range(0, len(customer_ids), _PORTION))
        found = (standing for portion in portions for standing in self.standings_of(portion).values())
        return {each.id: frozenset(each.segment_ids) for each in found}

    def keys_of(self, customer_ids: Group[str]) -> dict[str, frozenset[str]]:
        """Customer → keys of the segments in use that they belong to, of those that were evaluated before."""
        standings = self.standings_of(customer_ids)
        keys = {segment.id: segment.key for segment in self.active()} if standings else {}
        return {
            id: frozenset(keys[segment_id] for segment_id in standing.segment_ids if segment_id in keys)
            for id, standing in standings.items()
        }

    def standings_to_evaluate(self) -> Due[Standing]:
        """Standings of customers whom the passing of time may have moved, the earliest first."""
        return Due(
            self.standings,
            lambda now: all_of(_WAKES, field("next_evaluation_time") <= now),
            order="next_evaluation_time",
            limit=_DUE,
        )

    # ------------------------------------------------------------------------------------------------ subjects

    def subjects(self, customers: Sequence[Customer], sources: Group[Source]) -> list[Subject]:
        """Customers with what is kept about them, under any of their ids, in the sources."""
        ids = [id for customer in customers for id in customer.group]
        summaries = self.activity.transaction_summaries(ids) if Source.TRANSACTIONS in sources else []
        contacts = self.activity.contact_records(ids) if Source.CONTACTS in sources else []
        tiers = self.worth.tiers_of([each.id for each in customers]) if Source.WORTH in sources else {}
        summary_of, contacts_of = {each.id: each for each in summaries}, {each.id: each for each in contacts}
        return [
            Subject(
                customer=each,
                summary=TransactionSummary.of(each.id, [summary_of[id] for id in each.group if id in summary_of]),
                contacts=ContactRecord.of(each.id, [contacts_of[id] for id in each.group if id in contacts_of]),
                tier=tiers.get(each.id),
            )
            for each in customers
        ]

    def candidates(self, rule: Rule, last: Customer | None, limit: int) -> list[Customer]:
        """Live customers, the newest first, after the last one that was seen, among whom those that meet a rule are."""
        equal = {clause.field: clause.value for clause in required(rule) if clause.operator == "=="}
        narrowed = next((field(name) == equal[name] for name in _NARROWING if name in equal), None)
        older = _NEWEST.after(Position((last.create_time, last.id))) if last is not None else None
        live = field("delete_time").missing()
        return self.customers.customers.find(all_of(narrowed, older, live), order="-create_time", limit=limit)

    def _memberships(self, where: Condition, wanted: PageRequest) -> Page[SegmentMembership]:
        return self.memberships.page(all_of(where, _MEMBER), wanted, order="-enter_time")


@lru_cache(maxsize=2000)
def compile_rule(text: str, within: str = "") -> Rule:
    """The rule of an AIP-160 filter. InvalidArgument, about the field `filter` in `within`, when it cannot be read."""
    named = {name: field_of(name) for name in (*FIELDS, *FAMILIES.findall(text))}
    try:
        condition = parse(text, FilterSpec({name: each.type for name, each in named.items()}))
    except InvalidArgument as error:
        wrong = [replace(violation, field=f"{within}{violation.field}") for violation in error.violations]
        raise InvalidArgument(violations=wrong, reason=error.reason_code) from None
    if condition is None:
        raise InvalidArgument.field(f"{within}filter", "is required")
    return _rule(condition)


def _rule(condition: Condition) -> Rule:
    match condition:
        case filtering.AllOf(parts=parts):
            return AllOf(tuple(map(_rule, parts)))
        case filtering.AnyOf(parts=parts):
            return AnyOf(tuple(map(_rule, parts)))
        case filtering.Compare(path=path, operator=operator, value=value):
            return Clause(path, operator, cast(Any, value))
    raise TypeError(f"no filter gives {condition!r}")
