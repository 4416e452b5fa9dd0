"""The timer that lets given probabilities expire."""

from __future__ import annotations

from datetime import timedelta

from libs.chassis.timers import Timer
from services.opportunities.deals.application import Deals
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.store import DealsStore


def timers(store: DealsStore) -> list[Timer[Deal]]:
    """The deals whose given probability has expired."""
    return [Timer(name="probabilities", every=timedelta(seconds=10), due=store.expired(), run=Deals(store).expire)]
