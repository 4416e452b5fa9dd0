"""The timer that ends invitations whose time is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from libs.chassis.inbox import Received
from libs.chassis.timers import Timer
from services.surveys.sampling.application import Invitations
from services.surveys.sampling.domain.invitations import Invitation
from services.surveys.sampling.store import SamplingStore


def timers(store: SamplingStore) -> list[Timer[Invitation]]:
    """The invitations that nobody followed in time."""
    return [Timer(name="invitations", every=timedelta(minutes=1), due=store.expired(), run=Invitations(store).expire)]


def reconcile_after(store: SamplingStore, events: Sequence[Received]) -> None:
    """Of several open invitations of a customer who was merged keeps one."""
    told = [cast(Any, each.message).customer for each in events]
    merged = {customer.id for customer in told if customer.merged_ids}
    for customer_id in sorted(merged):
        Invitations(store).reconcile(customer_id)
