"""The timer that reaches out to quiet customers."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.interactions.complaints.application import Complaints
from services.interactions.complaints.domain.complaints import Complaint
from services.interactions.complaints.store import ComplaintsStore


def timers(store: ComplaintsStore) -> list[Timer[Complaint]]:
    """The complaints whose customer is quiet."""
    return [Timer(name="complaints", every=timedelta(seconds=10), due=store.to_wake(), run=Complaints(store).wake)]
