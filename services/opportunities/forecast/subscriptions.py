"""The reaction that keeps the sums of a forecast up to its deals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from kehu.opportunities.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.forecast.application.forecasts import Forecasts
from services.opportunities.forecast.store import ForecastStore

DEAL_EVENTS = (
    own.DealCreated,
    own.DealUpdated,
    own.DealStageChanged,
    own.DealWon,
    own.DealLost,
    own.DealReopened,
    own.DealProbabilitySet,
)


def subscriptions(store: ForecastStore) -> list[Subscription]:
    """Every change of a deal that moves money."""

    def follow(events: Sequence[Received]) -> None:
        told = [(from_proto(Deal, cast(Any, event.message).deal), event.revision, event.time) for event in events]
        Forecasts(store).follow(told)

    return [
        Subscription(
            name="totals",
            listens=DEAL_EVENTS,
            handle=follow,
            partitions=1,  # because deals of a day add up in the same few documents
            remembers=False,  # a position knows the revision that it was heard at
        )
    ]
