"""Interactions that become touches, needs that become leads, and the timers of leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from textwrap import wrap
from typing import Any, cast

from kehu.care.v1 import events_pb2 as care
from kehu.common.v1.types_pb2 import CHANNEL_WEB_SESSION
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1.timeline_pb2 import Interaction

from libs.chassis.codec import field_of
from libs.chassis.inbox import Received, Subscription
from libs.chassis.timers import Timer
from services.opportunities.leads.application import Leads
from services.opportunities.leads.domain.leads import CARE, Lead
from services.opportunities.leads.domain.touches import Touch, TouchKind
from services.opportunities.leads.store import LeadsStore

NEED_LENGTH = 500
"""Characters of one need of a lead."""
LINKS = ("lead", "deal", "opportunity")
"""Kinds of links that lead to a lead or a deal."""
OURS = ("lead_", "deal_")
"""Beginnings of the ids of what has touches."""


def subscriptions(store: LeadsStore) -> list[Subscription]:
    """Interactions on a lead or a deal, which are linked and never copied, and needs that care has found."""

    def follow(events: Sequence[Received]) -> None:
        Leads(store).follow([touch for each in events for touch in _touches(cast(Any, each.message).interaction)])

    return [
        Subscription(
            name="touches",
            listens=[
                interactions.InteractionRecorded,
                interactions.InteractionUpdated,
                interactions.InteractionAttributed,
            ],
            handle=follow,
            remembers=False,  # a touch is known by its interaction
        ),
        Subscription(
            name="needs",
            listens=[care.NeedCaptured],
            handle=lambda events: Leads(store).sense(map(_need, events)),
            remembers=False,  # a lead is known by the touch whose task asked
        ),
    ]


def timers(store: LeadsStore) -> list[Timer[Lead]]:
    """The leads whose date has come, and those that nobody contacted in time."""
    leads = Leads(store)
    return [
        Timer(name="recycled_leads", every=timedelta(seconds=10), due=store.back(), run=leads.revive),
        Timer(name="responses", every=timedelta(seconds=5), due=store.overdue(), run=leads.breach),
    ]


def _need(event: Received) -> Lead:
    told = cast(care.NeedCaptured, event.message)
    return Lead(
        id="",
        source=CARE,
        source_key=f"{told.touch_id}:{event.revision}",
        customer_id=told.customer_id,
        needs=tuple(wrap(told.text, NEED_LENGTH)),
        capture_time=event.time,
    )


def _touches(interaction: Interaction) -> Iterator[Touch]:
    """A touch for each lead or deal that an interaction is linked to. What a bot sent is no attempt."""
    for id in sorted({each.id for each in interaction.links if each.kind in LINKS and each.id.startswith(OURS)}):
        if (kind := _kind(interaction)) is not None:
            yield Touch(
                id="",
                subject_id=id,
                kind=kind,
                time=field_of(interaction, "occurred_time", datetime),
                source_key=interaction.id,
                interaction_id=interaction.id,
            )


def _kind(interaction: Interaction) -> TouchKind | None:
    if interaction.channel == CHANNEL_WEB_SESSION:
        return TouchKind.VISIT
    if interaction.direction == Interaction.DIRECTION_INBOUND:
        return TouchKind.RESPONSE
    return TouchKind.ATTEMPT if interaction.agent_id or not interaction.bot_id else None
