"""Customers as far as this service has heard of them, and the identifiers that lead to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from libs.chassis.customers import CustomerProjection as Projection
from libs.chassis.domain import Change, FieldViolation, Open, OpenEnum, Sealed


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
    """The system of an external id. Empty for every other kind."""

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
    """The customer whose key this is. Empty for the key of another identifier."""
    prefix = customer_key("")
    return key.removeprefix(prefix) if key.startswith(prefix) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSummary:
    """The present answer of a customer to one question of consent, in the words of the profiles service."""

    purpose: str
    state: str
    channel: Channel | None = None
    contact_point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProjection(Projection):
    """The few fields of a customer that this service needs."""

    display_name: str = ""
    lifecycle: str = ""
    language_code: str = ""
    time_zone: str = ""
    preferred_channels: tuple[Channel, ...] = ()
    consents: tuple[ConsentSummary, ...] = ()
    tier: str = ""
    """Tier of the customer in the words of the profiles service. Empty while it gave none."""
    identifiers: Sealed[tuple[str, ...]] = ()
    """Keys of the identifiers that lead to this customer. Only its own id once it is deleted."""
    handed_over: Sealed[tuple[str, ...]] = ()
    """Keys of the identifiers that this customer handed over when it was merged; they are among `identifiers` too."""
    backlog_time: datetime | None = None
    """Last time that earlier interactions were attributed to this customer, while more of them may wait."""
    backlog_conversations: Open[tuple[str, ...]] = ()
    """Ids of conversations whose earlier interactions wait, beside those that the identifiers lead to."""

    @classmethod
    def unheard(cls, id: str, time: datetime) -> CustomerProjection:
        """A customer of whom no more than the id was told, which leads to it."""
        return cls(id=id, source_revision=0, source_time=time, identifiers=(customer_key(id),))

    def kept_of(self, known: CustomerProjection) -> Mapping[str, Any]:
        """Identifiers that merges handed over, the tier, and the backlog."""
        return {
            "tier": known.tier,
            "identifiers": _with(self.identifiers, known.handed_over),
            "handed_over": known.handed_over,
            "backlog_time": known.backlog_time,
            "backlog_conversations": known.backlog_conversations,
        }

    def led_to(
        self, canonical_id: str, epoch: int, handed_over: Iterable[str] = (), **told: Any
    ) -> Change[CustomerProjection]:
        """After a merge or an unmerge. `handed_over` is empty for one that was merged before already."""
        newer, _ = Projection.led_to(self, canonical_id, epoch, **told)
        if self.erased:
            return newer, []
        keys = (tuple(handed_over) or self.handed_over) if newer.merged_into else ()
        return replace(newer, handed_over=keys, identifiers=_with(self.identifiers, keys)), []

    def rank(self, tier: str) -> Change[CustomerProjection]:
        """In another tier."""
        return replace(self, tier="" if self.erased else tier), []

    def doom(self) -> Change[CustomerProjection]:
        """About to be erased: nothing leads to this customer any more, and nothing is recorded of it."""
        return replace(
            self, erased=True, tier="", identifiers=(), handed_over=(), backlog_time=None, backlog_conversations=()
        ), []

    def owe(self, at: datetime, conversations: Sequence[str] = ()) -> Change[CustomerProjection]:
        """With a backlog: more of its earlier interactions wait than were attributed in one go."""
        if self.erased:
            return self, []
        waiting = tuple(dict.fromkeys((*self.backlog_conversations, *conversations)))
        return replace(self, backlog_time=at, backlog_conversations=waiting), []

    def go_on(self, at: datetime | None, conversations: Sequence[str]) -> Change[CustomerProjection]:
        """With what is left of its backlog at a time. Without a time nothing is."""
        return replace(self, backlog_time=at, backlog_conversations=tuple(conversations)), []


def _with(identifiers: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*identifiers, *more)))
