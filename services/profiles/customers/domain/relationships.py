"""Relationships of customers to each other, with their beginning."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, InvalidArgument, OpenEnum
from services.profiles.customers.domain.customers import Customer, CustomerKind
from services.profiles.customers.domain.text import check_interval, clean
from services.profiles.customers.domain.violations import Violations

MOST_LEVELS = 50
"""Reporting lines that are longer are a mistake in the data."""


class ReportingCircle(FailedPrecondition):
    """Customer {from_customer_id} is a superior of {to_customer_id} from {first} to {last}."""

    from_customer_id: str
    to_customer_id: str
    first: object
    last: object


class RelationshipEnded(FailedPrecondition):
    """Relationship {relationship_id} already ended on {valid_to_date}."""

    relationship_id: str
    valid_to_date: date | None


class HierarchyTooDeep(FailedPrecondition):
    """The hierarchy above {customer_id} has more than {levels} levels."""

    customer_id: str
    levels: int


class RelationshipType(OpenEnum):
    """Role of the left customer for the right one."""

    EMPLOYED_BY = "EMPLOYED_BY"
    REPORTS_TO = "REPORTS_TO"
    MEMBER_OF_HOUSEHOLD = "MEMBER_OF_HOUSEHOLD"
    DECISION_ROLE = "DECISION_ROLE"
    REFERRED_BY = "REFERRED_BY"
    PAYER_OF = "PAYER_OF"


class BuyingRole(OpenEnum):
    """The part that a person plays in a purchase."""

    ECONOMIC = "ECONOMIC"
    TECHNICAL = "TECHNICAL"
    USER = "USER"
    CHAMPION = "CHAMPION"
    BLOCKER = "BLOCKER"
    GATEKEEPER = "GATEKEEPER"


class Side(OpenEnum):
    """The place of a customer in a relationship."""

    FROM = "FROM"
    TO = "TO"


_PERSON, _ORGANISATION, _HOUSEHOLD = CustomerKind.PERSON, CustomerKind.ORGANISATION, CustomerKind.HOUSEHOLD
_KINDS: Mapping[RelationshipType, tuple[CustomerKind, CustomerKind]] = {
    RelationshipType.EMPLOYED_BY: (_PERSON, _ORGANISATION),
    RelationshipType.REPORTS_TO: (_PERSON, _PERSON),
    RelationshipType.MEMBER_OF_HOUSEHOLD: (_PERSON, _HOUSEHOLD),
    RelationshipType.DECISION_ROLE: (_PERSON, _ORGANISATION),
}
"""The kinds that left and right must have. Other types hold between any two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship(Entity):
    """`from` is, for some days, something to `to`."""

    ID_PREFIX: ClassVar[str] = "rel"

    from_customer_id: str
    to_customer_id: str
    type: RelationshipType
    buying_role: BuyingRole | None = None
    title: str = ""
    valid_from_date: date | None = None
    """None when unknown."""
    valid_to_date: date | None = None
    """The last day. None while it lasts."""
    from_survivor_id: str = ""
    """Survivor in place of `from_customer_id`, where that one was merged. Worked out on reading, never stored."""
    to_survivor_id: str = ""

    def seen_now(self, survivors: Mapping[str, str]) -> Relationship:
        """With who lives on in place of those who were merged, each by the id of who was."""
        left, right = survivors.get(self.from_customer_id, ""), survivors.get(self.to_customer_id, "")
        return replace(self, from_survivor_id=left, to_survivor_id=right)

    def add(self, left: Customer, right: Customer) -> Change[Relationship]:
        """The relationship that a caller's draft describes, between the two customers that it names."""
        violations = Violations("relationship")
        if left.id == right.id:
            violations.add("to_customer_id", "is the same customer as from_customer_id")
        for name, customer in (("from_customer_id", left), ("to_customer_id", right)):
            if customer.delete_time is not None:
                violations.add(name, f"{customer.id} is deleted")
        expected = _KINDS.get(self.type)
        if expected is not None and (left.kind, right.kind) != expected:
            violations.add(
                "type", f"{self.type} leads from {expected[0]} to {expected[1]}, not from {left.kind} to {right.kind}"
            )
        if (self.type is RelationshipType.DECISION_ROLE) != (self.buying_role is not None):
            violations.add("buying_role", f"is for {RelationshipType.DECISION_ROLE}, and required there")
        check_interval(self.valid_from_date, self.valid_to_date, "valid_to_date", violations)
        title = clean(self.title, "title", 100, violations)
        checked = replace(self, title=title, from_survivor_id="", to_survivor_id="")
        violations.refuse()
        return checked, [RelationshipChanged(relationship=checked)]

    def end(self, last_day: date) -> Change[Relationship]:
        """Over after `last_day`."""
        if self.valid_from_date is not None and last_day < self.valid_from_date:
            raise InvalidArgument.field("end_date", f"{last_day} is before the first day, {self.valid_from_date}")
        if self.valid_to_date is not None and last_day > self.valid_to_date:
            raise RelationshipEnded(relationship_id=self.id, valid_to_date=self.valid_to_date)
        if last_day == self.valid_to_date:
            return self, []
        over = replace(self, valid_to_date=last_day)
        return over, [RelationshipChanged(relationship=over)]

    @property
    def days(self) -> tuple[date, date]:
        """First and last day, as far as can be."""
        return self.valid_from_date or date.min, self.valid_to_date or date.max


def refuse_circle(line: Relationship, lines_from: Callable[[Collection[str]], Iterable[Relationship]]) -> None:
    """Refuse a reporting line that would make somebody their own superior on any day.

    `lines_from` gives the existing reporting lines of a set of people, with who lives on in place of the merged; it is
    asked once per level of the hierarchy.
    """
    paths = {(line.to_customer_id, *line.days)}
    seen = set(paths)
    for _ in range(MOST_LEVELS):
        above: set[tuple[str, date, date]] = set()
        for next_line in lines_from({person for person, _, _ in paths}):
            for person, first, last in paths:
                begins, ends = max(first, next_line.days[0]), min(last, next_line.days[1])
                if next_line.from_customer_id == person and begins <= ends:
                    above.add((next_line.to_customer_id, begins, ends))
        circle = next((path for path in above if path[0] == line.from_customer_id), None)
        if circle is not None:
            raise ReportingCircle(
                from_customer_id=line.from_customer_id,
                to_customer_id=line.to_customer_id,
                first=circle[1],
                last=circle[2],
            )
        paths = above - seen  # A merge may have closed a circle that nobody drew.
        if not paths:
            return
        seen |= paths
    raise HierarchyTooDeep(customer_id=line.to_customer_id, levels=MOST_LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingLines(Entity):
    """One per tenant: counts the changes of reporting lines, so that two that would close a circle together cannot
    both be written."""

    ID_PREFIX: ClassVar[str] = "lines"

    changes: int = 0

    def changed(self) -> ReportingLines:
        """One change later."""
        return replace(self, changes=self.changes + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationshipChanged(Event):
    """A relationship was added or ended."""

    relationship: Relationship
