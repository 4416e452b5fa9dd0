"""The timer that reminds approvers and finds their deputies."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.interactions.remedies.application import Remedies
from services.interactions.remedies.domain.goodwill import Goodwill
from services.interactions.remedies.store import RemediesStore


def timers(store: RemediesStore) -> list[Timer[Goodwill]]:
    """The goodwill whose approver is to be reminded or has left."""
    return [Timer(name="goodwill", every=timedelta(seconds=1), due=store.to_wake(), run=Remedies(store).wake)]
