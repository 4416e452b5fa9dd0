"""The reaction to answers of the care service, and the timer that ends invitations whose time is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.care.v1 import events_pb2 as care
from kehu.care.v1 import touches_pb2

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.surveys.sampling.application import Invitations
from services.surveys.sampling.domain.invitations import Invitation, InvitationState, Reason
from services.surveys.sampling.store import SamplingStore

_OUTCOMES = {
    care.RequestAnswered.OUTCOME_SENT: InvitationState.SENT,
    care.RequestAnswered.OUTCOME_FAILED: InvitationState.BOUNCED,
}
"""Outcome → state. Every other one means that it was not sent."""
_REASONS = {
    "PRESSURE": Reason.FATIGUE,
    "COMPLAINT_OPEN": Reason.OPEN_COMPLAINT,
    "CUSTOMER_ERASED": Reason.ERASED,
    "NO_CONSENT": Reason.NO_CONSENT,
    "CONSENT_REFUSED": Reason.NO_CONSENT,
    "CONSENT_EXPIRED": Reason.NO_CONSENT,
    "TOO_LATE": Reason.WINDOW_CLOSED,
}
"""Reason of the care service → ours. Every other one means that it could not be sent."""


def subscriptions(store: SamplingStore) -> list[Subscription]:
    """What became of invitations that the care service was asked to send."""

    def settle(events: Sequence[Received]) -> None:
        for event in events:
            told = cast(Any, event.message)
            names = [enum_word(touches_pb2.Finding.Reason.DESCRIPTOR, each) for each in told.reasons]
            reasons = dict.fromkeys(_REASONS.get(each, Reason.NOT_SENT) for each in names)
            outcome = _OUTCOMES.get(told.outcome, InvitationState.INELIGIBLE)
            with event.cause():
                Invitations(store).settle(told.request_ref, outcome, tuple(reasons) or (Reason.NOT_SENT,))

    return [Subscription(name="answers", listens=(care.RequestAnswered,), handle=settle)]


def timers(store: SamplingStore) -> list[Timer[Invitation]]:
    """The invitations that nobody followed in time."""
    return [Timer(name="invitations", every=timedelta(minutes=1), due=store.expired(), run=Invitations(store).expire)]


def reconcile_after(store: SamplingStore, events: Sequence[Received]) -> None:
    """Of several open invitations of a customer who was merged keeps one."""
    told = [cast(Any, each.message).customer for each in events]
    merged = {customer.id for customer in told if customer.merged_ids}
    for customer_id in sorted(merged):
        Invitations(store).reconcile(customer_id)
