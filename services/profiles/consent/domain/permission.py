"""The permission to send a message to a customer now, with every reason against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import OpenEnum
from services.profiles.customers.domain.consents import ConsentDecision, ConsentState, Purpose, Scope
from services.profiles.customers.domain.contact_points import (
    POINT_OF_CHANNEL,
    Channel,
    ContactPoint,
    ContactPointStatus,
    ContactPointType,
)
from services.profiles.customers.domain.customers import Customer

_VERIFIABLE = frozenset({ContactPointType.PHONE, ContactPointType.EMAIL, ContactPointType.MESSENGER})
"""A letter box or a device cannot send a code back."""
_MOST_STEPS = 20


class SendReason(OpenEnum):
    """Reason not to send a message."""

    CUSTOMER_DELETED = "CUSTOMER_DELETED"
    NO_CONSENT = "NO_CONSENT"
    CONSENT_DENIED = "CONSENT_DENIED"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_NOT_YET_EFFECTIVE = "CONSENT_NOT_YET_EFFECTIVE"
    NO_CONTACT_POINT = "NO_CONTACT_POINT"
    CONTACT_POINT_UNVERIFIED = "CONTACT_POINT_UNVERIFIED"
    CONTACT_POINT_BOUNCED = "CONTACT_POINT_BOUNCED"
    CONTACT_POINT_UNREACHABLE = "CONTACT_POINT_UNREACHABLE"
    CONTACT_POINT_RECYCLED = "CONTACT_POINT_RECYCLED"
    CONTACT_POINT_INVALID = "CONTACT_POINT_INVALID"
    QUIET_WINDOW = "QUIET_WINDOW"
    CHANNEL_NOT_PREFERRED = "CHANNEL_NOT_PREFERRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendQuestion:
    """May a message for this purpose go over this channel at this time?"""

    purpose: Purpose
    channel: Channel
    contact_point: str = ""
    """Contact point to send to, in any spelling. Empty for the primary one of the channel."""
    send_time: datetime | None = None
    """None for now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason with what is known about it."""

    reason: SendReason
    explanation: str
    receipt_id: str = ""
    end_time: datetime | None = None
    """Time at which the reason ends by itself. None when somebody has to act first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPermission:
    """The answer to whether a message may be sent."""

    allowed: bool
    contact_point: str = ""
    blocks: tuple[Finding, ...] = ()
    advice: tuple[Finding, ...] = ()
    next_permitted_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A message that somebody would like to send to a customer."""

    customer: Customer
    purpose: Purpose
    channel: Channel
    wanted: str
    """The contact point that was asked for. Empty for the primary one of the channel."""
    point: ContactPoint | None
    """The contact point that it would go to. None when the customer has none such or the channel needs none."""

    @classmethod
    def to(cls, customer: Customer, question: SendQuestion) -> Sending:
        """The message that a question is about."""
        type = POINT_OF_CHANNEL.get(question.channel)
        wanted, point = question.contact_point, None
        if type is not None and wanted:
            point = customer.find_contact_point(wanted, type)
        elif type is not None:
            point = next((p for p in customer.contact_points if p.type is type and p.primary), None)
        return cls(customer=customer, purpose=question.purpose, channel=question.channel, wanted=wanted, point=point)

    def permission(self, at: datetime) -> SendPermission:
        """The permission to send it at a moment, with every reason that speaks against it."""
        blocks = tuple(self._blocks(at))
        return SendPermission(
            allowed=not blocks,
            contact_point=self.point.canonical if self.point else "",
            blocks=blocks,
            advice=tuple(self._advice()),
            next_permitted_time=self._next_permitted(at, blocks),
        )

    def _blocks(self, at: datetime) -> Iterator[Finding]:
        if self.customer.delete_time is not None:
            yield Finding(reason=SendReason.CUSTOMER_DELETED, explanation="the customer is deleted")
        yield from self._consent_blocks(at)
        yield from self._contact_point_blocks()
        ends = self.customer.preferences.quiet_until(at, self.purpose)
        if ends != at:
            zone = self.customer.preferences.time_zone
            yield Finding(
                reason=SendReason.QUIET_WINDOW,
                explanation=f"the customer is not to be disturbed at {at.isoformat()} ({zone})",
                end_time=ends,
            )

    def _consent_blocks(self, at: datetime) -> Iterator[Finding]:
        about = self.point.canonical if self.point else self.wanted
        scope = Scope(purpose=self.purpose, channel=self.channel, contact_point=about)
        refusals = self.customer.consent.refusals(scope)
        for no in refusals:
            denied = no.state is ConsentState.DENIED
            yield Finding(
                reason=SendReason.CONSENT_DENIED if denied else SendReason.CONSENT_WITHDRAWN,
                explanation=f"the customer {'refused' if denied else 'withdrew'} {_told(no)}",
                receipt_id=no.receipt_id,
            )
        if not refusals and self.purpose is not Purpose.SERVICE:
            grants = [yes for yes in self.customer.consent.about(scope) if yes.state is ConsentState.GRANTED]
            yield from _grant_blocks(self.purpose, grants, at)

    def _contact_point_blocks(self) -> Iterator[Finding]:
        type = POINT_OF_CHANNEL.get(self.channel)
        if self.point is None and type is not None:
            yield Finding(
                reason=SendReason.NO_CONTACT_POINT,
                explanation=f"the customer has no {self.wanted or 'contact point'} of type {type} for {self.channel}",
            )
        if self.point is not None and self.point.status is not ContactPointStatus.ACTIVE:
            yield Finding(
                reason=SendReason(f"CONTACT_POINT_{self.point.status}"),
                explanation=f"{self.point.canonical} was reported {self.point.status}",
            )
        if self.purpose is not Purpose.SERVICE:
            yield from self._unverified()

    def _advice(self) -> Iterator[Finding]:
        if self.purpose is Purpose.SERVICE:
            yield from self._unverified()
        preferred = self.customer.preferences.channels
        if preferred and self.channel not in preferred:
            yield Finding(
                reason=SendReason.CHANNEL_NOT_PREFERRED,
                explanation=f"the customer prefers {', '.join(preferred)} to {self.channel}",
            )

    def _unverified(self) -> Iterator[Finding]:
        if self.point is not None and self.point.type in _VERIFIABLE and self.point.verify_time is None:
            yield Finding(
                reason=SendReason.CONTACT_POINT_UNVERIFIED,
                explanation="nobody has shown that the customer controls the contact point",
            )

    def _next_permitted(self, at: datetime, blocks: Sequence[Finding]) -> datetime | None:
        """The first moment at which nothing blocks. None when that does not come by itself."""
        for _ in range(_MOST_STEPS):
            ends = [block.end_time for block in blocks]
            if not ends:
                return at
            known = [end for end in ends if end is not None]
            if len(known) < len(ends):
                return None
            at = max(known)
            blocks = tuple(self._blocks(at))
        return None


def _grant_blocks(purpose: Purpose, grants: Sequence[ConsentDecision], at: datetime) -> Iterator[Finding]:
    """Reasons that keep the grants from counting at a moment. Nothing when one of them does."""
    running = [yes for yes in grants if yes.effective_from_time <= at]
    if any(yes.effective_to_time is None or at < yes.effective_to_time for yes in running):
        return
    coming = min((yes for yes in grants if yes.effective_from_time > at), key=_begins, default=None)
    if coming is not None:
        yield Finding(
            reason=SendReason.CONSENT_NOT_YET_EFFECTIVE,
            explanation=f"the customer agreed from {coming.effective_from_time.isoformat()} on",
            receipt_id=coming.receipt_id,
            end_time=coming.effective_from_time,
        )
    elif running:
        last = max(running, key=_ends)
        yield Finding(
            reason=SendReason.CONSENT_EXPIRED,
            explanation=f"the customer agreed until {_ends(last).isoformat()}",
            receipt_id=last.receipt_id,
        )
    else:
        yield Finding(reason=SendReason.NO_CONSENT, explanation=f"the customer has not agreed to {purpose}")


def _begins(decision: ConsentDecision) -> datetime:
    return decision.effective_from_time


def _ends(decision: ConsentDecision) -> datetime:
    return decision.effective_to_time or decision.effective_from_time


def _told(decision: ConsentDecision) -> str:
    limits = [str(decision.purpose), *([decision.channel] if decision.channel else []), decision.contact_point]
    return f"{' '.join(filter(None, limits))} at {decision.capture_time.isoformat()}"
