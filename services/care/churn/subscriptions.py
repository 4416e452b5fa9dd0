"""The reaction to customers who come back, and the timers of attempts and reviews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from kehu.care.v1.churn_pb2 import ReviewLoyaltyRequest
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.care.churn.application.churn import Churn
from services.care.churn.application.reviews import Reviews
from services.care.churn.application.winback import WinBack
from services.care.churn.store import ChurnStore


def subscriptions(store: ChurnStore) -> list[Subscription]:
    """Customers who come back."""

    def back(events: Sequence[Received]) -> None:
        told = dict[str, datetime]()
        for event in events:
            customer = cast(Any, event.message).customer
            if customer.lifecycle_move.reason == customer_pb2.LifecycleMove.REASON_WON_BACK:
                told[customer.id] = event.time
        if told:
            Churn(store).come_back(told)

    return [Subscription(name="won_back", listens=(profiles.CustomerLifecycleChanged,), handle=back)]


def timers(store: ChurnStore) -> list[Timer[Any]]:
    """Attempts that are over, and months that are."""

    def start(month: str) -> object:
        return store.operations.start_again("review_loyalty", ReviewLoyaltyRequest(month=month))

    return [
        Timer(name="win_backs", every=timedelta(minutes=1), due=store.to_lapse(), run=WinBack(store).lapse),
        Timer(
            name="loyalty_reviews",
            every=timedelta(minutes=1),
            due=store.to_review(),
            run=partial(Reviews(store).begin, start=start),
        ),
    ]
