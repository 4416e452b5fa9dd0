"""The reaction that keeps the cells of scores up to the responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from kehu.surveys.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.surveys.collection.domain.responses import Response
from services.surveys.results.application import Results
from services.surveys.results.store import ResultsStore


def subscriptions(store: ResultsStore) -> list[Subscription]:
    """Responses that count."""

    def follow(events: Sequence[Received]) -> None:
        Results(store).follow([from_proto(Response, cast(Any, each.message).response) for each in events])

    return [
        Subscription(
            name="scores",
            listens=[own.ResponseCompleted, own.ResponsePartial],
            handle=follow,
            partitions=1,  # because all responses of a survey add up in the same few documents
            adds_up=[own.ResponseCompleted, own.ResponsePartial],
        )
    ]
