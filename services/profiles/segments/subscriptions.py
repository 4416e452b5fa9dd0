"""Reactions and timers of segments: customers are evaluated again when they, or the time, may have moved them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from kehu.profiles.v1 import events_pb2
from kehu.profiles.v1.segments_pb2 import EvaluateSegmentsRequest

from libs.chassis.inbox import Received, Subscription
from libs.chassis.operations import Operations
from libs.chassis.timers import Timer
from services.profiles.customers.subscriptions import CUSTOMER_EVENTS
from services.profiles.segments.application import Segments
from services.profiles.segments.domain.segments import Segment
from services.profiles.segments.domain.subjects import Source
from services.profiles.segments.store import SegmentsStore


def subscriptions(store: SegmentsStore) -> list[Subscription]:
    """The evaluation of customers who changed, decided about consent, or changed their tier."""
    segments = Segments(store)

    def follow(events: Sequence[Received]) -> None:
        segments.follow({event.entity_id for event in events}, Source.CUSTOMER)

    def follow_tiers(events: Sequence[Received]) -> None:
        told = [cast(events_pb2.TierChanged, event.message).tier_assignment.customer_id for event in events]
        segments.follow(set(told), Source.WORTH)

    # They look at customers as they are, so a repeat changes nothing.
    return [
        Subscription(
            name="segments",
            listens=[*CUSTOMER_EVENTS, events_pb2.ConsentChanged],
            handle=follow,
            remembers=False,
            partitions=1,
        ),
        Subscription(name="segments_by_tier", listens=[events_pb2.TierChanged], handle=follow_tiers, remembers=False),
    ]


def timers(store: SegmentsStore, operations: Operations) -> list[Timer[Any]]:
    """The customers whose time has come, and the evaluation of everybody after a definition changed."""

    def evaluate_all(_: Sequence[Segment]) -> None:
        operations.start_again("evaluate_segments", EvaluateSegmentsRequest())

    return [
        Timer(
            name="segments",
            every=timedelta(seconds=1),
            due=store.standings_to_evaluate(),
            run=Segments(store).evaluate,
        ),
        Timer(name="segment_evaluations", every=timedelta(seconds=1), due=store.to_evaluate(), run=evaluate_all),
    ]
