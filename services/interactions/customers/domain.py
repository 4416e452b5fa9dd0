"""Customers as far as this service has heard of them, and the identifiers that lead to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, FailedPrecondition, FieldViolation, Open, OpenEnum, Sealed


class Channel(OpenEnum):
    """Channel on which customer and company met."""

    VOICE = "VOICE"
    EMAIL = "EMAIL"
    WEB_CHAT = "WEB_CHAT"
    MESSENGER = "MESSENGER"
    SMS = "SMS"
    FAX = "FAX"
    VISIT = "VISIT"
    VIDEO = "VIDEO"
    WEB_SESSION = "WEB_SESSION"
    LETTER = "LETTER"


class IdentifierKind(OpenEnum):
    """Kind of the value of an identifier."""

    CUSTOMER = "CUSTOMER"
    EXTERNAL_ID = "EXTERNAL_ID"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    MESSENGER = "MESSENGER"
    DEVICE = "DEVICE"


_FORMS: dict[IdentifierKind, tuple[re.Pattern[str], str]] = {
    IdentifierKind.CUSTOMER: (re.compile(r"cus_[0-9a-hjkmnp-tv-z]{26}"), "the id of a customer, cus_…"),
    IdentifierKind.EXTERNAL_ID: (re.compile(r".{1,200}"), "1 to 200 characters"),
    IdentifierKind.PHONE: (re.compile(r"\+[1-9][0-9]{5,14}"), "in E.164 form, for example +8613800138000"),
    IdentifierKind.EMAIL: (
        re.compile(r"[^@\s]+@[a-z0-9-]+(\.[a-z0-9-]+)+"),
        "an address whose domain is in lower case and ASCII, for example Li.Wei@example.com",
    ),
    IdentifierKind.MESSENGER: (re.compile(r"[a-z0-9_.-]+:\S+"), "written network:handle, for example wechat:ada_l"),
    IdentifierKind.DEVICE: (re.compile(r"\S+"), "a token without spaces"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """Identifier by which a source knows a customer, in the canonical form that profiles uses."""

    kind: IdentifierKind
    value: str
    system: str = ""
    """The system of an external id; empty for every other kind."""

    @property
    def key(self) -> str:
        """The identifier as one string, for comparing and for indexes."""
        return f"{self.kind}:{self.system}:{self.value}"

    def violations(self, path: str) -> list[FieldViolation]:
        """Violations of its form."""
        form, allowed = _FORMS[self.kind]
        wrong = [] if form.fullmatch(self.value) else [FieldViolation(f"{path}.value", f"must be {allowed}")]
        if (self.kind is IdentifierKind.EXTERNAL_ID) != bool(self.system):
            needed = f"must be empty for {self.kind}" if self.system else "is required for EXTERNAL_ID"
            wrong.append(FieldViolation(f"{path}.system", needed))
        return wrong


def customer_key(customer_id: str) -> str:
    """The key of a customer among identifiers."""
    return Identifier(kind=IdentifierKind.CUSTOMER, value=customer_id).key


def customer_of(key: str) -> str:
    """The customer whose key this is; empty for the key of another identifier."""
    prefix = customer_key("")
    return key.removeprefix(prefix) if key.startswith(prefix) else ""


class CustomerErased(FailedPrecondition):
    """Customer {customer_id} was erased: nothing more is recorded of it."""

    customer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSummary:
    """The present answer of a customer to one question of consent, in the words of the profiles service."""

    purpose: str
    state: str
    channel: Channel | None = None
    contact_point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProjection(Entity):
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
    """Set when nothing of it may be learnt any more."""
    identifiers: Sealed[tuple[str, ...]] = ()
    """Keys of the identifiers that lead to this customer; only its own id once it is deleted."""
    merged_ids: tuple[str, ...] = ()
    """Those who were merged into this customer."""
    merged_into: Open[str] = ""
    """The id of who lives on in place of this customer, as the last merge or unmerge of it told."""
    handed_over: Sealed[tuple[str, ...]] = ()
    """Keys of the identifiers that this customer handed over when it was merged; they are among `identifiers` too."""
    epoch: int = 0
    """The number of that merge or unmerge; older ones are skipped."""
    backlog_time: datetime | None = None
    """Last time that earlier interactions were attributed to this customer, while more of them may wait."""
    backlog_conversations: Open[tuple[str, ...]] = ()
    """Ids of conversations whose earlier interactions wait, beside those that the identifiers lead to."""

    @property
    def canonical_id(self) -> str:
        """The id of the customer who lives on."""
        return self.merged_into or self.id

    @classmethod
    def unheard(cls, id: str, time: datetime) -> CustomerProjection:
        """A customer of whom nothing is known but the id."""
        return cls(id=id, source_revision=0, source_time=time, identifiers=(customer_key(id),))

    def heard_after(self, known: CustomerProjection) -> Change[CustomerProjection]:
        """This news after what is known: the newer of the two, and of an erased customer only how new it is. Where the
        id leads is told by merges alone."""
        if known.source_revision >= self.source_revision:
            return known, []
        if known.erased:
            return replace(known, source_revision=self.source_revision, source_time=self.source_time), []
        return replace(
            self,
            identifiers=_with(self.identifiers, known.handed_over),
            merged_into=known.merged_into,
            handed_over=known.handed_over,
            epoch=known.epoch,
            backlog_time=known.backlog_time,
            backlog_conversations=known.backlog_conversations,
        ), []

    def doom(self) -> Change[CustomerProjection]:
        """About to be erased: nothing leads to this customer any more, and nothing is recorded of it."""
        return replace(
            self, erased=True, identifiers=(), handed_over=(), backlog_time=None, backlog_conversations=()
        ), []

    def owe(self, at: datetime, conversations: Sequence[str] = ()) -> Change[CustomerProjection]:
        """With a backlog: more of its earlier interactions wait than were attributed in one go."""
        if self.erased:
            return self, []
        waiting = tuple(dict.fromkeys((*self.backlog_conversations, *conversations)))
        return replace(self, backlog_time=at, backlog_conversations=waiting), []

    def go_on(self, at: datetime | None, conversations: Sequence[str]) -> Change[CustomerProjection]:
        """With what is left of its backlog at a time; without a time nothing is."""
        return replace(self, backlog_time=at, backlog_conversations=tuple(conversations)), []

    def without_person(self) -> Change[CustomerProjection]:
        """Remains of an erased customer."""
        left = CustomerProjection(
            id=self.id,
            source_revision=self.source_revision,
            source_time=self.source_time,
            lifecycle=self.lifecycle,
            deleted=True,
            erased=True,
            merged_ids=self.merged_ids,
            merged_into=self.merged_into,
            epoch=self.epoch,
            revision=self.revision,
            create_time=self.create_time,
            update_time=self.update_time,
        )
        return left, []


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Destination of an id since a merge or an unmerge."""

    customer_id: str
    canonical_id: str
    epoch: int
    handed_over: tuple[str, ...] = ()
    """Keys of the identifiers that came with it; none for one that was merged before already."""

    @property
    def id(self) -> str:
        """The customer that it is about."""
        return self.customer_id

    def heard_after(self, known: CustomerProjection) -> Change[CustomerProjection]:
        """Adds this to the projection of the customer."""
        lives_on = self.canonical_id if self.canonical_id != self.customer_id else ""
        newer = known if known.epoch >= self.epoch else replace(known, merged_into=lives_on, epoch=self.epoch)
        if known.erased:
            return newer, []
        handed_over = (self.handed_over or known.handed_over) if newer.merged_into else ()
        return replace(newer, handed_over=handed_over, identifiers=_with(known.identifiers, handed_over)), []


News = CustomerProjection | Alias
"""Message of an event about one customer."""


def _with(identifiers: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*identifiers, *more)))
