"""The record of a look at what is masked for the reader otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations


class ReadClass(OpenEnum):
    """Fields that are shown together, or masked."""

    CONTACTS = "CONTACTS"
    NAMES = "NAMES"
    ADDRESSES = "ADDRESSES"
    DATES = "DATES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access(Entity):
    """Somebody looked at what is masked for them otherwise."""

    ID_PREFIX: ClassVar[str] = "acs"

    customer_id: str
    reader: str
    purpose_of_use: str = ""
    read_classes: tuple[ReadClass, ...] = (ReadClass.CONTACTS,)
    """Kind of value that was looked at."""

    def record(self) -> Change[Access]:
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
