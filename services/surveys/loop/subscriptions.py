"""The reaction that raises alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from kehu.surveys.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.surveys.collection.domain.responses import Response
from services.surveys.loop.application import Loop
from services.surveys.loop.store import LoopStore


def subscriptions(store: LoopStore) -> list[Subscription]:
    """Responses that may ask for an answer."""

    def watch(events: Sequence[Received]) -> None:
        for event in events:
            with event.cause():
                Loop(store).watch([from_proto(Response, cast(Any, event.message).response)])

    return [
        Subscription(
            name="alerts",
            listens=[own.ResponseCompleted, own.ResponsePartial],
            handle=watch,
            remembers=False,  # the alert of a response has an id of its own
        )
    ]
