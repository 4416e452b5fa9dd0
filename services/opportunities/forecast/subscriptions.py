"""The reaction that keeps the sums of a forecast up to its deals, and the nights on which forecasts are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, cast

from kehu.opportunities.v1 import events_pb2 as own
from kehu.opportunities.v1.snapshots_pb2 import SnapshotForecastsRequest

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.operations import Operations
from libs.chassis.timers import Timer
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.forecast.application.forecasts import Forecasts
from services.opportunities.forecast.application.snapshots import Snapshots
from services.opportunities.forecast.domain.snapshots import SnapshotPlan
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
    """Every change of a deal that moves money, and of a pipeline, which has nights."""

    def follow(events: Sequence[Received]) -> None:
        told = [(from_proto(Deal, cast(Any, event.message).deal), event.revision, event.time) for event in events]
        Forecasts(store).follow(told)

    def expect(events: Sequence[Received]) -> None:
        Snapshots(store).expect([cast(Any, event.message).pipeline.time_zone for event in events])

    return [
        Subscription(name="nights", listens=(own.PipelineCreated, own.PipelineRedefined), handle=expect),
        Subscription(
            name="totals",
            listens=DEAL_EVENTS,
            handle=follow,
            partitions=1,  # because deals of a day add up in the same few documents
            remembers=False,  # a position knows the revision that it was heard at
        ),
    ]


def timers(store: ForecastStore, operations: Operations) -> list[Timer[SnapshotPlan]]:
    """The tenants whose night has come."""

    def start() -> object:
        return operations.start_again("snapshot_forecasts", SnapshotForecastsRequest())

    begin = partial(Snapshots(store).begin, start=start)
    return [Timer(name="nights", every=timedelta(minutes=1), due=store.nights(), run=begin)]
