"""The reactions that raise alerts, and that settle those whose case is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from kehu.interactions.v1 import events_pb2 as interactions
from kehu.surveys.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from services.surveys.collection.domain.responses import Response
from services.surveys.loop.application import Loop
from services.surveys.loop.domain import AlertOutcome
from services.surveys.loop.store import LoopStore

OUTCOMES: Final = {
    interactions.CaseResolved: AlertOutcome.SOLVED,
    interactions.CaseCancelled: AlertOutcome.NO_ACTION,
}
"""End of a case → what came of the alert that it answers."""


def subscriptions(store: LoopStore) -> list[Subscription]:
    """Responses that may ask for an answer, and cases in which one is given."""

    def watch(events: Sequence[Received]) -> None:
        for event in events:
            with event.cause():
                Loop(store).watch([from_proto(Response, cast(Any, event.message).response)])

    def follow(events: Sequence[Received]) -> None:
        for event in events:
            case = cast(Any, event.message).case
            for link in case.links:
                if link.kind == "alert":
                    Loop(store).follow(link.id, case.id, OUTCOMES[type(event.message)])

    return [
        Subscription(
            name="alerts",
            listens=[own.ResponseCompleted, own.ResponsePartial],
            handle=watch,
            remembers=False,  # the alert of a response has an id of its own
        ),
        Subscription(
            name="cases",
            listens=[interactions.CaseResolved, interactions.CaseCancelled],
            handle=follow,
            remembers=False,  # an alert is settled once
        ),
    ]
