"""The reaction that counts interactions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

from kehu.interactions.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.interactions.counts.application import Counts
from services.interactions.counts.store import CountsStore
from services.interactions.timeline.domain import Interaction


def subscriptions(store: CountsStore) -> list[Subscription]:
    """Everything that is counted."""
    return [
        Subscription(
            name="counts",
            listens=[own.InteractionRecorded],
            handle=partial(count, Counts(store)),
            partitions=1,  # because most contacts count in the same few documents, those of today
            adds_up=[own.InteractionRecorded],
        )
    ]


def count(counts: Counts, events: Sequence[Received]) -> None:
    """Counts contacts."""
    recorded = [cast(own.InteractionRecorded, event.message).interaction for event in events]
    counts.count([from_proto(Interaction, interaction) for interaction in recorded])
