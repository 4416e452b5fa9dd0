"""Interactions: what was told of them, who they were with, and what may still change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from libs.chassis.domain import (
    Change,
    Entity,
    Event,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    OpenEnum,
    Sealed,
    SourceKeyReused,
)
from services.interactions.customers.domain import Channel, Identifier, IdentifierKind, customer_key, customer_of

COMPLETABLE_FOR = timedelta(hours=24)
"""Time after its recording within which the content of an interaction can be completed."""
COMPLETABLE = frozenset(
    {
        "purpose",
        "journey_phase",
        "service_level",
        "duration",
        "summary",
        "body_ref",
        "sentiment",
        "topic",
        "intent",
        "links",
        "outcome",
    }
)
"""The fields that can be completed. The others are what makes it this interaction."""


ERASED = "the customer was erased"
"""The reason of a redaction that is part of an erasure."""
LIVE = frozenset({Channel.VOICE, Channel.VISIT, Channel.VIDEO})
"""Channels on which whoever answers does so in the same interaction."""


class InteractionImmutable(FailedPrecondition):
    """Interaction {interaction_id} was recorded more than {hours} hours ago and is immutable, except for redaction."""

    interaction_id: str
    hours: int = 24


class InteractionWasRedacted(FailedPrecondition):
    """Interaction {interaction_id} was redacted: nothing can be added to it."""

    interaction_id: str


class Direction(OpenEnum):
    """Side that started it."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Purpose(OpenEnum):
    """Purpose of an interaction."""

    INQUIRY = "INQUIRY"
    REQUEST = "REQUEST"
    COMPLAINT = "COMPLAINT"
    PRAISE = "PRAISE"
    SALES = "SALES"
    CARE = "CARE"
    SURVEY = "SURVEY"
    PAYMENT = "PAYMENT"
    OTHER = "OTHER"


class JourneyPhase(OpenEnum):
    """Phase of the relationship in which it happened."""

    PRE_SALE = "PRE_SALE"
    IN_SALE = "IN_SALE"
    AFTER_SALE = "AFTER_SALE"
    RENEWAL = "RENEWAL"


class ServiceLevel(OpenEnum):
    """Degree to which a person served the customer."""

    SELF = "SELF"
    PEER = "PEER"
    ONLINE = "ONLINE"
    VOICE = "VOICE"
    FACE = "FACE"


class ContactOutcome(OpenEnum):
    """End of an interaction."""

    RESOLVED = "RESOLVED"
    PENDING = "PENDING"
    ESCALATED = "ESCALATED"
    UNANSWERED = "UNANSWERED"
    ABANDONED = "ABANDONED"


MISSED = frozenset({ContactOutcome.UNANSWERED, ContactOutcome.ABANDONED})
"""Endings in which the two did not meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Something in another service or system."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Removal of the content of an interaction: by whom, for what reason, at what time."""

    reason: str
    actor: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction(Entity):
    """One interaction between a customer and the company."""

    ID_PREFIX: ClassVar[str] = "int"

    channel: Channel
    direction: Direction
    occurred_time: datetime
    customer_id: str = ""
    """Empty while nobody knows whom it was with."""
    identifier: Identifier | None = None
    conversation_id: str = ""
    purpose: Purpose | None = None
    journey_phase: JourneyPhase | None = None
    service_level: ServiceLevel | None = None
    duration: timedelta | None = None
    ahead_of_clock: bool = False
    source_time: datetime | None = None
    agent_id: str = ""
    bot_id: str = ""
    external_key: str = ""
    summary: str = ""
    body_ref: str = ""
    sentiment: float | None = None
    topic: str = ""
    intent: str = ""
    links: tuple[Link, ...] = ()
    outcome: ContactOutcome | None = None
    redaction: Redaction | None = None
    identifier_key: Sealed[str] = ""
    """`identifier.key`, by which a customer that becomes known finds it."""
    digest: Sealed[str] = ""
    """Tells a repeat of the source from another interaction under the same key, also after redaction."""

    @property
    def source_key(self) -> str:
        """The key of the source within the tenant. Empty when it has none."""
        return f"{self.channel}:{self.external_key}" if self.external_key else ""

    @property
    def party(self) -> str:
        """The key of whom it was with: the customer, else the identifier. Empty for somebody without a trace."""
        if self.customer_id:
            return customer_key(self.customer_id)
        return self.identifier.key if self.identifier is not None else ""

    @property
    def named_customer(self) -> str:
        """The customer that the source named. Empty when it knew another identifier, or none."""
        return customer_of(self.identifier_key)

    @property
    def is_erased(self) -> bool:
        """True of what an erasure left."""
        return self.redaction is not None and self.redaction.reason == ERASED

    @property
    def keeps_waiting(self) -> bool:
        """True when the customer spoke, and wants an answer that the interaction itself has not brought."""
        if self.direction is Direction.OUTBOUND or self.channel is Channel.WEB_SESSION:
            return False
        met = self.channel in LIVE and (self.agent_id or self.bot_id) and self.outcome not in MISSED
        return not met and self.outcome is not ContactOutcome.RESOLVED

    @property
    def answers(self) -> bool:
        """True when the company spoke to the customer, or nothing is left to say."""
        if self.channel is Channel.WEB_SESSION or self.outcome in MISSED:
            return False
        return self.direction is Direction.OUTBOUND or not self.keeps_waiting

    def as_told(self, now: datetime) -> Interaction:
        """This interaction as a source tells it, checked, without anything that only the server writes.

        A `customer_id` counts as an identifier like any other: whether the customer is known is looked up.
        """
        if self.customer_id and self.identifier is not None:
            raise InvalidArgument.field("identifier", "give either customer_id or identifier, not both")
        identifier = self.identifier
        if self.customer_id:
            identifier = Identifier(kind=IdentifierKind.CUSTOMER, value=self.customer_id)
        elif identifier is not None:
            violations = identifier.violations("identifier")
            if identifier.kind is IdentifierKind.CUSTOMER:
                violations = [FieldViolation("identifier.kind", "give a customer's id as customer_id")]
            if violations:
                raise InvalidArgument(violations=violations)
        told = replace(
            self,
            id="",
            revision=0,
            create_time=None,
            update_time=None,
            customer_id="",
            identifier=identifier,
            conversation_id="",
            ahead_of_clock=False,
            source_time=None,
            redaction=None,
            identifier_key=identifier.key if identifier is not None else "",
            digest="",
        )
        ahead = self.occurred_time > now
        return replace(
            told,
            digest=_digest(told),
            ahead_of_clock=ahead,
            occurred_time=min(self.occurred_time, now),  # what lies ahead would lead every list until it is over
            source_time=self.occurred_time if ahead else None,
        )

    def record(self) -> Change[Interaction]:
        """This interaction as a new one."""
        return self, [InteractionRecorded(interaction=self)]

    def repeated_by(self, told: Interaction) -> Interaction:
        """This interaction, when `told` is the same one told again, else AlreadyExists SOURCE_KEY_REUSED."""
        if told.digest != self.digest:
            raise SourceKeyReused(key=self.external_key, id=self.id)
        return self

    def attribute(self, customer_id: str) -> Change[Interaction]:
        """With the customer it turned out to be with. Nothing changes when that is known already."""
        if self.customer_id:
            return self, []
        attributed = replace(self, customer_id=customer_id)
        return attributed, [InteractionAttributed(interaction=attributed)]

    def complete(self, completed: Interaction, now: datetime) -> Change[Interaction]:
        """With the content of `completed`, within 24 hours of the recording."""
        changed = [f.name for f in fields(self) if getattr(self, f.name) != getattr(completed, f.name)]
        if not changed:
            return self, []
        if forbidden := sorted(set(changed) - COMPLETABLE):
            allowed = ", ".join(sorted(COMPLETABLE))
            raise InvalidArgument.field("update_mask", f"{', '.join(forbidden)} cannot be changed; allowed: {allowed}")
        if self.redaction is not None:
            raise InteractionWasRedacted(interaction_id=self.id)
        if self.create_time is not None and now - self.create_time > COMPLETABLE_FOR:
            raise InteractionImmutable(interaction_id=self.id)
        return completed, [InteractionUpdated(interaction=completed)]

    def erase(self, actor: str, now: datetime) -> Change[Interaction]:
        """Without anything that tells whom it was with, or what was said. Nothing changes when that is gone already."""
        if self.is_erased:
            return self, []
        left = replace(
            self,
            identifier=None,
            identifier_key="",
            summary="",
            body_ref="",
            links=(),
            topic="",
            intent="",
            digest="",
            redaction=Redaction(reason=ERASED, actor=actor, time=now),
        )
        return left, [InteractionRedacted(interaction=left)]

    def redact(self, reason: str, actor: str, now: datetime, known: Interaction) -> Change[Interaction]:
        """Without what was said, what it was about and where it is recorded. Nothing changes when that is gone already.

        Whom it was with is taken from what was `known`, before the key was destroyed under which it was kept.
        """
        if self.redaction is not None:
            return self, []
        redacted = replace(
            self,
            identifier=known.identifier,
            identifier_key=known.identifier_key,
            digest=known.digest,
            summary="",
            body_ref="",
            topic="",
            intent="",
            links=(),
            redaction=Redaction(reason=reason, actor=actor, time=now),
        )
        return redacted, [InteractionRedacted(interaction=redacted)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineQuery:
    """Selection of interactions of a customer. Fields that are absent do not matter."""

    customer_id: str
    channels: tuple[Channel, ...] = ()
    purpose: Purpose | None = None
    direction: Direction | None = None
    start_time: datetime | None = None
    """The earliest time of occurrence, inclusive."""
    end_time: datetime | None = None
    """The latest time of occurrence, exclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionEvent(Event):
    """Something that happened to an interaction. Carries it as it is afterwards."""

    interaction: Interaction


class InteractionRecorded(InteractionEvent):
    """An interaction was recorded."""


class InteractionUpdated(InteractionEvent):
    """The content of an interaction was completed or corrected."""


class InteractionAttributed(InteractionEvent):
    """It became known which customer an interaction was with."""


class InteractionRedacted(InteractionEvent):
    """The content of an interaction was removed."""


def _digest(told: Interaction) -> str:
    return hashlib.sha256(repr(_said(told)).encode()).hexdigest()[:32]


def _said(value: Any) -> Any:
    """A value without its defaults, so that a field added later does not change the digest of what came before."""
    if is_dataclass(value):
        return [(f.name, _said(item)) for f in fields(value) if (item := getattr(value, f.name)) != f.default]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_said(item) for item in value]
    return str(value)
