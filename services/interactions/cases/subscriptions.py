"""The reaction that takes messages about cases in, and the timer that watches over cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, cast

from kehu.interactions.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.store import CasesStore
from services.interactions.clocks.domain.clocks import MessageKind
from services.interactions.timeline.domain import Direction, Interaction

INTENTS: Final = {
    "thanks": MessageKind.THANKS,
    "auto_reply": MessageKind.AUTO_REPLY,
    "note": MessageKind.NOTE,
    "update": MessageKind.UPDATE,
    "acknowledgement": MessageKind.ACKNOWLEDGEMENT,
}
"""Intent of an interaction, as a classifier or an agent marked it → the part that it plays."""


def subscriptions(store: CasesStore) -> list[Subscription]:
    """Interactions that are linked to cases."""
    cases = Cases(store)

    def hear(events: Sequence[Received]) -> None:
        for event in events:
            interaction = from_proto(Interaction, cast(Any, event.message).interaction)
            for link in interaction.links:
                if link.kind == "case":
                    cases.hear_of(link.id, interaction.id, part_of(interaction), interaction.occurred_time)

    return [Subscription(name="cases", listens=(own.InteractionRecorded,), handle=hear)]


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
