"""The reactions that find out whom interactions and conversations are with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from kehu.interactions.v1 import events_pb2 as own

from libs.chassis.codec import from_proto
from libs.chassis.erasure import Erasures
from libs.chassis.inbox import Received, Subscription
from libs.chassis.projection import CustomerEvents
from libs.chassis.timers import Timer
from services.interactions.attribution.application import Attribution
from services.interactions.conversations.domain import Conversation
from services.interactions.customers.domain import CustomerProjection
from services.interactions.customers.subscriptions import customer_events, identifier_keys
from services.interactions.privacy.store import PrivacyStore
from services.interactions.timeline.domain import Interaction
from services.interactions.timeline.store import TimelineStore


def subscriptions(timeline: TimelineStore, privacy: PrivacyStore) -> list[Subscription]:
    """Everything that says whom an interaction was with."""
    told = customer_events(timeline.customers)
    return [
        Subscription(
            name="attribution",
            listens=[*told.listens, own.InteractionRecorded, own.ConversationAttributed],
            handle=partial(attribute, told, Attribution(timeline), privacy.erasures),
            partitions=1,  # because its reactions are run one after the other
            adds_up=[own.InteractionRecorded],
        )
    ]


def timers(store: TimelineStore) -> list[Timer[CustomerProjection]]:
    """The backlogs of customers."""
    every = timedelta(seconds=1)
    return [Timer(name="backlogs", every=every, due=store.customers.backlogs(), run=Attribution(store).catch_up)]


def attribute(
    told: CustomerEvents[CustomerProjection], attribution: Attribution, erasures: Erasures, events: Sequence[Received]
) -> None:
    """Learns of customers, takes interactions into conversations, finds out with whom they were, and whom to erase.

    A request to erase is noted and carried out later, so whatever else is in the batch does not matter.
    """
    recorded: list[Interaction] = []
    attributed: list[Conversation] = []
    heard: list[Received] = []
    for event in events:
        match event.message:
            case own.InteractionRecorded(interaction=interaction):
                recorded.append(from_proto(Interaction, interaction))
            case own.ConversationAttributed(conversation=conversation):
                attributed.append(from_proto(Conversation, conversation))
            case _:
                heard.append(event)
    attribution.learn(told.learn(heard))
    attribution.settle(recorded)
    attribution.join(attributed)
    erasures.begin(heard, identifier_keys)
