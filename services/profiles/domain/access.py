"""Who may see how a customer is reached, what others see instead, and the record of a look."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event
from services.profiles.domain.contacts import ContactPoint
from services.profiles.domain.customers import Customer
from services.profiles.domain.text import clean
from services.profiles.domain.violations import Violations

READ_CONTACTS = "profiles.contacts.read"
"""The scope that shows contact points in full."""
_COVERING = frozenset({"*", "profiles.*", "profiles.contacts.*", READ_CONTACTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access(Entity):
    """Somebody looked at what is masked for them otherwise."""

    ID_PREFIX: ClassVar[str] = "acs"

    customer_id: str
    reader: str
    purpose_of_use: str = ""

    def recorded(self) -> Change[Access]:
        """The look as it is kept."""
        violations = Violations("")
        purpose = clean(self.purpose_of_use, "purpose_of_use", 200, violations, required=True)
        violations.refuse()
        access = replace(self, purpose_of_use=purpose)
        return access, [ContactPointsRevealed(access=access)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPointsRevealed(Event):
    """Somebody looked at what is masked for them otherwise."""

    access: Access


def sees_contacts(scopes: Collection[str]) -> bool:
    """Whether a caller is shown contact points in full."""
    return not _COVERING.isdisjoint(scopes)


def masked(value: str) -> str:
    """A number, address or handle of which just enough is left to recognise it.

    >>> masked("+8613812345678"), masked("ada@example.com"), masked("wechat:ada_l")
    ('+86•••••78', 'a•••••@example.com', 'wechat:a•••••')
    """
    if not value:
        return ""
    mailbox, at, domain = value.rpartition("@")
    if at:
        return f"{mailbox[:1]}•••••@{domain}"
    network, colon, handle = value.partition(":")
    if colon:
        return f"{network}:{handle[:1]}•••••"
    return f"{value[:3]}•••••{value[-2:]}" if value.startswith("+") else "•••••"


def masked_customer(customer: Customer) -> Customer:
    """The customer as it is shown to whoever may not see contact points."""
    decisions = tuple(
        replace(decision, contact_point=masked(decision.contact_point)) for decision in customer.consent.decisions
    )
    return replace(
        customer,
        contact_points=tuple(_masked_point(point) for point in customer.contact_points),
        consent=replace(customer.consent, decisions=decisions),
    )


def _masked_point(point: ContactPoint) -> ContactPoint:
    return replace(point, raw=masked(point.canonical), canonical=masked(point.canonical))
