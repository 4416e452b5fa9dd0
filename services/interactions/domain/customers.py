"""What this service knows of customers, and what whoever picks up next must know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity
from services.interactions.domain.conversations import Conversation
from services.interactions.domain.promises import Promise
from services.interactions.domain.timeline import Channel, Interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSummary:
    """The present answer of a customer to one question of consent, in the words of the profiles service."""

    purpose: str
    state: str
    channel: Channel | None = None
    contact_point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCopy(Entity):
    """The few fields of a customer that this service needs, as the profiles service last told them.

    `source_revision` and `source_time` say which state of the customer this is; older news are skipped.
    """

    ID_PREFIX: ClassVar[str] = "cus"

    source_revision: int
    source_time: datetime
    display_name: str = ""
    lifecycle: str = ""
    language_code: str = ""
    time_zone: str = ""
    preferred_channels: tuple[Channel, ...] = ()
    consents: tuple[ConsentSummary, ...] = ()
    deleted: bool = False
    erased: bool = False
    """Whether nothing of it may be learnt any more."""
    identifiers: tuple[str, ...] = ()
    """Keys of the identifiers that lead to this customer; only its own id once it is deleted."""

    def heard_after(self, known: CustomerCopy | None) -> Change[CustomerCopy]:
        """This news after what is known: the newer of the two; of an erased customer only how new it is."""
        if known is not None and known.source_revision >= self.source_revision:
            return known, []
        if known is not None and known.erased:
            return replace(known, source_revision=self.source_revision, source_time=self.source_time), []
        return self, []

    def without_person(self) -> Change[CustomerCopy]:
        """What is left of an erased customer."""
        left = CustomerCopy(
            id=self.id,
            source_revision=self.source_revision,
            source_time=self.source_time,
            lifecycle=self.lifecycle,
            deleted=True,
            erased=True,
            revision=self.revision,
            create_time=self.create_time,
            update_time=self.update_time,
        )
        return left, []


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerContext:
    """All that whoever picks up next must know about a customer."""

    customer: CustomerCopy
    conversations: tuple[Conversation, ...]
    interactions: tuple[Interaction, ...]
    promises: tuple[Promise, ...]
    broken_promises: tuple[Promise, ...]
    waiting_since_time: datetime | None
    as_of_time: datetime
