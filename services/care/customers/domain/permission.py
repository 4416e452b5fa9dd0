"""Permission to send something to a customer: every reason against it, with the time when it ends by itself.

The rules of consent are those of the profiles service: no grant, no message, a refusal holds until a later act of the
customer, and what a contract demands needs no grant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import OpenEnum
from services.care.customers.domain.projection import (
    Channel,
    ConsentPurpose,
    CustomerProjection,
    Decision,
    DecisionState,
    PointStatus,
    PointType,
    ReachPoint,
)

POINT_OF_CHANNEL = {
    Channel.VOICE: PointType.PHONE,
    Channel.SMS: PointType.PHONE,
    Channel.EMAIL: PointType.EMAIL,
    Channel.MESSENGER: PointType.MESSENGER,
}
"""Channel → the contact point that it leads to. A visit or a letter needs none here."""
_VERIFIED = frozenset({PointType.PHONE, PointType.EMAIL, PointType.MESSENGER})


class Reason(OpenEnum):
    """Reason against sending."""

    CUSTOMER_UNKNOWN = "CUSTOMER_UNKNOWN"
    CUSTOMER_DELETED = "CUSTOMER_DELETED"
    CUSTOMER_ERASED = "CUSTOMER_ERASED"
    CONSENT_LATE = "CONSENT_LATE"
    NO_CONSENT = "NO_CONSENT"
    CONSENT_REFUSED = "CONSENT_REFUSED"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_NOT_YET_EFFECTIVE = "CONSENT_NOT_YET_EFFECTIVE"
    NO_CONTACT_POINT = "NO_CONTACT_POINT"
    CONTACT_POINT_BROKEN = "CONTACT_POINT_BROKEN"
    CONTACT_POINT_UNVERIFIED = "CONTACT_POINT_UNVERIFIED"
    QUIET = "QUIET"
    COMPLAINT_OPEN = "COMPLAINT_OPEN"
    PROGRAM_PAUSED = "PROGRAM_PAUSED"
    PROGRAM_RETIRED = "PROGRAM_RETIRED"
    NOT_IN_AUDIENCE = "NOT_IN_AUDIENCE"
    NO_PLAN = "NO_PLAN"
    NO_SENDER = "NO_SENDER"
    NO_ASSIGNEE = "NO_ASSIGNEE"
    NOT_THEIR_FESTIVAL = "NOT_THEIR_FESTIVAL"
    NO_LONGER_DUE = "NO_LONGER_DUE"
    MET_MEANWHILE = "MET_MEANWHILE"
    ALREADY_SENT = "ALREADY_SENT"
    TOO_LATE = "TOO_LATE"
    PRESSURE = "PRESSURE"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason against sending, with what is known about it."""

    reason: Reason
    explanation: str = ""
    end_time: datetime | None = None
    """Time when it ends by itself. None when somebody has to act first."""
    receipt_id: str = ""


def point_for(customer: CustomerProjection, channel: Channel) -> ReachPoint | None:
    """The contact point of a channel: the primary one, else the first that works, else the first."""
    points = [each for each in customer.contact_points if each.type is POINT_OF_CHANNEL.get(channel)]
    points.sort(key=lambda each: (not each.primary, each.status is not PointStatus.ACTIVE))
    return points[0] if points else None


def permission_ref(
    customer: CustomerProjection, purpose: ConsentPurpose, channel: Channel, contact_point: str, at: datetime
) -> str:
    """The receipt that permits a message now. Empty for what needs none."""
    running = [each for each in _grants(customer, purpose, channel, contact_point) if _runs(each, at)]
    return max(running, key=lambda each: each.capture_time).receipt_id if running else ""


def obstacles(
    customer: CustomerProjection, purpose: ConsentPurpose, channel: Channel, at: datetime
) -> Iterator[Finding]:
    """Every reason of the customer, the consent and the contact point against a message at a time."""
    if customer.erased:
        yield Finding(reason=Reason.CUSTOMER_ERASED, explanation="nothing is sent to an erased customer")
    elif customer.deleted:
        yield Finding(reason=Reason.CUSTOMER_DELETED, explanation="the customer is deleted")
    point = point_for(customer, channel)
    about = point.canonical if point is not None else ""
    yield from _consent(customer, purpose, channel, about, at)
    wanted = POINT_OF_CHANNEL.get(channel)
    if wanted is not None and point is None:
        yield Finding(reason=Reason.NO_CONTACT_POINT, explanation=f"no contact point of type {wanted}")
    if point is not None and point.status is not PointStatus.ACTIVE:
        yield Finding(reason=Reason.CONTACT_POINT_BROKEN, explanation=f"the contact point is {point.status}")
    if point is not None and point.type in _VERIFIED and not point.verified and purpose is not ConsentPurpose.SERVICE:
        yield Finding(
            reason=Reason.CONTACT_POINT_UNVERIFIED,
            explanation="nobody has shown that the customer controls the contact point",
        )


def _consent(
    customer: CustomerProjection, purpose: ConsentPurpose, channel: Channel, about: str, at: datetime
) -> Iterator[Finding]:
    told = (*customer.decisions, *customer.taken_out)
    decisions = [each for each in told if each.is_about(purpose, channel, about)]
    refusals = [no for no in decisions if no.refuses and not any(no.is_lifted_by(other) for other in decisions)]
    for no in refusals:
        yield Finding(
            reason=Reason.CONSENT_REFUSED,
            explanation=f"{no.state} {purpose} at {no.capture_time.isoformat()}",
            receipt_id=no.receipt_id,
        )
    if refusals or purpose is ConsentPurpose.SERVICE:
        return
    grants = _grants(customer, purpose, channel, about)
    if any(_runs(yes, at) for yes in grants):
        return
    coming = sorted((yes for yes in grants if yes.effective_from_time > at), key=lambda yes: yes.effective_from_time)
    if coming:
        yield Finding(
            reason=Reason.CONSENT_NOT_YET_EFFECTIVE,
            explanation=f"the customer agreed from {coming[0].effective_from_time.isoformat()} on",
            end_time=coming[0].effective_from_time,
            receipt_id=coming[0].receipt_id,
        )
    elif grants:
        yield Finding(
            reason=Reason.CONSENT_EXPIRED, explanation="the agreement is over", receipt_id=grants[-1].receipt_id
        )
    else:
        yield Finding(reason=Reason.NO_CONSENT, explanation=f"the customer has not agreed to {purpose} by {channel}")


def _grants(customer: CustomerProjection, purpose: ConsentPurpose, channel: Channel, about: str) -> Sequence[Decision]:
    return [
        each
        for each in customer.decisions
        if each.state is DecisionState.GRANTED and each.is_about(purpose, channel, about)
    ]


def _runs(grant: Decision, at: datetime) -> bool:
    return grant.effective_from_time <= at and (grant.effective_to_time is None or at < grant.effective_to_time)
