"""The reaction that takes messages about cases in, and the timer that watches over cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, cast

from kehu.interactions.v1 import events_pb2 as own
from kehu.surveys.v1 import events_pb2 as surveys
from kehu.surveys.v1.loop_pb2 import AlertKind

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseType
from services.interactions.cases.store import CasesStore
from services.interactions.clocks.domain.clocks import MessageKind
from services.interactions.timeline.domain import Direction, Interaction, Link

INTENTS: Final = {
    "thanks": MessageKind.THANKS,
    "auto_reply": MessageKind.AUTO_REPLY,
    "note": MessageKind.NOTE,
    "update": MessageKind.UPDATE,
    "acknowledgement": MessageKind.ACKNOWLEDGEMENT,
}
"""Intent of an interaction, as a classifier or an agent marked it → the part that it plays."""


ALERT: Final = "alert"
"""Kind of the link from a case to the alert of a survey that it answers."""


def subscriptions(store: CasesStore) -> list[Subscription]:
    """Interactions that are linked to cases, and alerts of surveys, each of which becomes a case."""
    cases = Cases(store)

    def hear(events: Sequence[Received]) -> None:
        for event in events:
            interaction = from_proto(Interaction, cast(Any, event.message).interaction)
            for link in interaction.links:
                if link.kind == "case":
                    cases.hear_of(link.id, interaction.id, part_of(interaction), interaction.occurred_time)

    def answer(events: Sequence[Received]) -> None:
        for event in events:
            alert = cast(Any, event.message).alert
            if alert.customer_id:  # of a confidential response nobody knows whom to call
                cases.answer_alert(case_of(alert), owner=alert.owner)

    return [
        Subscription(name="cases", listens=(own.InteractionRecorded,), handle=hear),
        Subscription(name="alerts", listens=(surveys.AlertRaised,), handle=answer),
    ]


def case_of(alert: Any) -> Case:
    """The case in which an alert of a survey is answered. What the respondent wrote stays with the response."""
    danger = alert.kind == AlertKind.ALERT_KIND_SAFETY
    subject = "A survey tells of danger" if danger else f"A survey was answered with {alert.number}"
    links = (Link(kind=ALERT, id=alert.id), Link(kind="response", id=alert.response_id))
    type = CaseType.INCIDENT if danger else CaseType.INQUIRY
    return Case(id="", customer_id=alert.customer_id, subject=subject, type=type, links=links)


def timers(store: CasesStore) -> list[Timer[Case]]:
    """The cases of which a clock is to be told or silence is to close."""
    return [Timer(name="cases", every=timedelta(seconds=1), due=store.to_wake(), run=Cases(store).wake)]


def part_of(interaction: Interaction) -> MessageKind:
    """The part that an interaction plays in a case. What a machine sent answers nothing."""
    if interaction.intent in INTENTS:
        return INTENTS[interaction.intent]
    if interaction.direction is Direction.INBOUND:
        return MessageKind.CUSTOMER
    return MessageKind.ANSWER if interaction.agent_id else MessageKind.AUTO_REPLY
