"""The reaction that puts later deals to complaints, and the timer that reaches out to quiet customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.opportunities.v1 import events_pb2 as opportunities

from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.interactions.complaints.application import Complaints
from services.interactions.complaints.domain.complaints import Complaint
from services.interactions.complaints.domain.recoveries import LaterDeal
from services.interactions.complaints.store import ComplaintsStore


def subscriptions(store: ComplaintsStore) -> list[Subscription]:
    """Deals that were won, or were not after all."""
    complaints = Complaints(store)

    def follow(events: Sequence[Received]) -> None:
        for event in events:
            deal = cast(Any, event.message).deal
            if isinstance(event.message, opportunities.DealReopened):
                complaints.unfollow(deal.customer_id, deal.id)
                continue
            money = {"currency_code": deal.amount.currency_code, "minor_units": deal.amount.minor_units}
            complaints.follow(deal.customer_id, LaterDeal(deal_id=deal.id, won_time=event.time, **money))

    listens = (opportunities.DealWon, opportunities.DealReopened)
    return [Subscription(name="recoveries", listens=listens, handle=follow)]


def timers(store: ComplaintsStore) -> list[Timer[Complaint]]:
    """The complaints whose customer is quiet."""
    return [Timer(name="complaints", every=timedelta(seconds=10), due=store.to_wake(), run=Complaints(store).wake)]
