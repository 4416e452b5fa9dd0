"""The reaction that takes attention of the care service, and answers to it, into the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any, cast

from kehu.care.v1 import customers_pb2, programs_pb2, touches_pb2
from kehu.care.v1 import events_pb2 as care
from kehu.common.v1.types_pb2 import Channel as ChannelNumber

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received, Subscription
from services.interactions.customers.domain import Channel
from services.interactions.timeline.application import Timeline
from services.interactions.timeline.domain import Direction, Interaction, Link, Purpose, ServiceLevel
from services.interactions.timeline.store import TimelineStore


def subscriptions(store: TimelineStore) -> list[Subscription]:
    """Messages that were sent, answers to them, refusals of more, and what persons did for a customer."""

    def record(events: Sequence[Received]) -> None:
        Timeline(store).load(
            [
                _refusal(event) if isinstance(event.message, care.UnsubscribeRequested) else _contact(event)
                for event in events
            ]
        )

    return [
        Subscription(
            name="touches",
            listens=(care.TouchSent, care.TouchResponded, care.UnsubscribeRequested),
            handle=record,
            remembers=False,  # an interaction is known by its external key
        )
    ]


def _contact(event: Received) -> Interaction:
    """The interaction that a touch was. A machine sent a message, a customer answered one, a person did a task."""
    touch = cast(Any, event.message).touch
    task = touch.form != programs_pb2.FORM_MESSAGE
    answered = isinstance(event.message, care.TouchResponded) and not task
    at = touch.result_time if answered else touch.send_time
    done = task and touch.task.outcome == touches_pb2.Task.OUTCOME_DONE
    level = ServiceLevel.FACE if touch.channel == ChannelNumber.CHANNEL_VISIT else None
    return Interaction(
        id="",
        channel=Channel(enum_word(ChannelNumber.DESCRIPTOR, touch.channel) or "UNSPECIFIED"),
        direction=Direction.INBOUND if answered else Direction.OUTBOUND,
        occurred_time=at.ToDatetime(UTC) if at.ByteSize() else event.time,
        customer_id=touch.customer_id,
        purpose=_purpose(touch),
        service_level=level if done else None if task or answered else ServiceLevel.SELF,
        agent_id=touch.task.assignee if task else "",
        external_key=f"care:{touch.id}:answer" if answered else f"care:{touch.id}",
        summary=touch.task.note if task else touch.occasion,
        links=(Link(kind="touch", id=touch.id),),
    )


def _refusal(event: Received) -> Interaction:
    """The interaction in which a customer asked for no more messages."""
    told = cast(Any, event.message)
    return Interaction(
        id="",
        channel=Channel(enum_word(ChannelNumber.DESCRIPTOR, told.channel) or "UNSPECIFIED"),
        direction=Direction.INBOUND,
        occurred_time=told.request_time.ToDatetime(UTC),
        customer_id=told.customer_id,
        purpose=Purpose.REQUEST,
        service_level=ServiceLevel.SELF,
        topic="unsubscribe",
        external_key=f"care:{told.touch_id}:unsubscribe",
        links=(Link(kind="touch", id=told.touch_id),),
    )


def _purpose(touch: touches_pb2.Touch) -> Purpose:
    return Purpose.SURVEY if touch.purpose == customers_pb2.Decision.PURPOSE_SURVEY else Purpose.CARE
