"""Who may see what of a customer, what others see instead, and the record of a look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.profiles.customers.domain.addresses import Address
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.dates import TypedDate
from services.profiles.customers.domain.names import PersonName
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations

_HIDDEN = "•••••"


class ReadClass(OpenEnum):
    """Fields that are read together, or not at all."""

    CONTACTS = "CONTACTS"
    NAMES = "NAMES"
    ADDRESSES = "ADDRESSES"
    DATES = "DATES"

    @property
    def scope(self) -> str:
        """The scope that shows them in full."""
        return f"profiles.{self.lower()}.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access(Entity):
    """Somebody looked at what is masked for them otherwise."""

    ID_PREFIX: ClassVar[str] = "acs"

    customer_id: str
    reader: str
    purpose_of_use: str = ""
    read_classes: tuple[ReadClass, ...] = (ReadClass.CONTACTS,)
    """What was looked at."""

    def recorded(self) -> Change[Access]:
        """The look as it is kept."""
        violations = Violations("")
        purpose = clean(self.purpose_of_use, "purpose_of_use", 200, violations, required=True)
        if not self.read_classes:
            violations.add("read_classes", "name at least one")
        violations.refuse()
        access = replace(self, purpose_of_use=purpose, read_classes=tuple(dict.fromkeys(self.read_classes)))
        contacts_alone = access.read_classes == (ReadClass.CONTACTS,)
        return access, [ContactPointsRevealed(access=access) if contacts_alone else FieldsRevealed(access=access)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPointsRevealed(Event):
    """Somebody looked at contact points that are masked for them otherwise."""

    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsRevealed(Event):
    """Somebody looked at more than contact points that is masked for them otherwise."""

    access: Access


@lru_cache(maxsize=256)
def hidden_from(scopes: frozenset[str]) -> frozenset[ReadClass]:
    """What a caller is not shown in full."""
    if not scopes.isdisjoint({"*", "profiles.*"}):
        return frozenset()
    return frozenset(
        each for each in ReadClass if scopes.isdisjoint({each.scope, f"{each.scope.rpartition('.')[0]}.*"})
    )


def masked(value: str) -> str:
    """A number, address or handle of which just enough is left to recognise it.

    >>> masked("+8613812345678"), masked("ada@example.com"), masked("wechat:ada_l")
    ('+86•••••78', 'a•••••@example.com', 'wechat:a•••••')
    """
    if not value:
        return ""
    mailbox, at, domain = value.rpartition("@")
    if at:
        return f"{mailbox[:1]}{_HIDDEN}@{domain}"
    network, colon, handle = value.partition(":")
    if colon:
        return f"{network}:{handle[:1]}{_HIDDEN}"
    return f"{value[:3]}{_HIDDEN}{value[-2:]}" if value.startswith("+") else _HIDDEN


def masked_name(name: str) -> str:
    """A name of which the first letter is left.

    >>> masked_name("王小明"), masked_name("Ada Lovelace"), masked_name("")
    ('王•••••', 'A•••••', '')
    """
    return f"{name[:1]}{_HIDDEN}" if name else ""


def masked_customer(customer: Customer, hidden: Collection[ReadClass]) -> Customer:
    """The customer as it is shown to whoever may not see some classes."""
    values: dict[str, Any] = {}
    for each in hidden:
        values |= masked_fields(customer, each)
    return replace(customer, **values) if values else customer


def masked_fields(customer: Customer, hidden: ReadClass) -> Mapping[str, Any]:
    """The fields of a class, as they are shown instead."""
    return _MASKS[hidden](customer)


def _contacts(customer: Customer) -> Mapping[str, Any]:
    points = tuple(
        replace(point, raw=masked(point.canonical), canonical=masked(point.canonical))
        for point in customer.contact_points
    )
    decisions = tuple(
        replace(decision, contact_point=masked(decision.contact_point)) for decision in customer.consent.decisions
    )
    return {"contact_points": points, "consent": replace(customer.consent, decisions=decisions)}


def _names(customer: Customer) -> Mapping[str, Any]:
    return {
        "display_name": masked_name(customer.display_name),
        "names": tuple(map(_name, customer.names)),
        "aliases": tuple(map(masked_name, customer.aliases)),
    }


def _name(name: PersonName) -> PersonName:
    parts: dict[str, Any] = {part: masked_name(getattr(name, part)) for part in ("given", "family", "middle", "pinyin")}
    return replace(name, **parts)


def _addresses(customer: Customer) -> Mapping[str, Any]:
    """Country, area and town are left: what they need who plan routes and opening hours."""

    def hide(address: Address) -> Address:
        parts: dict[str, Any] = {
            part: _HIDDEN if getattr(address, part) else "" for part in ("postal_code", "sublocality", "recipient")
        }
        return replace(address, **parts, lines=(_HIDDEN,) * bool(address.lines))

    return {"addresses": tuple(map(hide, customer.addresses))}


def _dates(customer: Customer) -> Mapping[str, Any]:
    """What the date is of is left, and not when."""

    def hide(date: TypedDate) -> TypedDate:
        return replace(date, year=None, month=0, day=0, leap_month=False)

    return {"dates": tuple(map(hide, customer.dates))}


_MASKS: Mapping[ReadClass, Callable[[Customer], Mapping[str, Any]]] = {
    ReadClass.CONTACTS: _contacts,
    ReadClass.NAMES: _names,
    ReadClass.ADDRESSES: _addresses,
    ReadClass.DATES: _dates,
}
