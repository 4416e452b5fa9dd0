"""Attention of the care service in the timeline: once, with who met whom, and nothing of whoever was erased."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from kehu.care.v1 import events_pb2 as care
from kehu.common.v1 import envelope_pb2

from libs.chassis import context, identity
from libs.chassis.inbox import event_type
from libs.engine.inbox.decoding import decode
from services.interactions.subscriptions import subscriptions
from services.interactions.timeline.domain import Direction, Interaction, ServiceLevel
from tests.unit.interactions.conftest import NOW, World

CUSTOMER, TOUCH = identity.new_id("cus"), identity.new_id("tch")


def hear(world: World, message: Message, revision: int = 1) -> None:
    envelope = envelope_pb2.Envelope(
        id=f"{TOUCH}:{revision}:0",
        type=event_type(type(message)),
        tenant=context.current().tenant,
        entity_id=TOUCH,
        revision=revision,
        time=world.clock.at,  # type: ignore[arg-type]
        data=message.SerializeToString(),
    )
    [reaction] = [each for each in subscriptions(world.store) if each.name == "touches"]
    with world.database.transaction():
        reaction.handle([decode(reaction, envelope.SerializeToString())])


def touch(**fields: Any) -> dict[str, Any]:
    return {
        "id": TOUCH,
        "customer_id": CUSTOMER,
        "form": "FORM_MESSAGE",
        "channel": "CHANNEL_EMAIL",
        "purpose": "PURPOSE_CARE",
        "occasion": "中秋节",
        "send_time": NOW - timedelta(minutes=5),
        **fields,
    }


def recorded(world: World) -> list[Interaction]:
    return sorted(world.store.timeline.interactions.find(None, limit=9), key=lambda each: each.external_key)


def test_a_message_its_answer_and_the_refusal_of_more_are_three_contacts(world: World) -> None:
    sent = care.TouchSent(touch=touch())
    hear(world, sent)
    hear(world, sent, 2)
    hear(world, care.TouchResponded(touch=touch(result_time=NOW)), 3)
    refused = care.UnsubscribeRequested(
        touch_id=TOUCH, customer_id=CUSTOMER, purpose="CARE", channel="CHANNEL_EMAIL", request_time=NOW
    )
    hear(world, refused, 4)
    message, answer, refusal = recorded(world)
    assert (message.direction, message.service_level, message.summary) == (
        Direction.OUTBOUND,
        ServiceLevel.SELF,
        "中秋节",
    )
    assert message.occurred_time == NOW - timedelta(minutes=5)
    assert (answer.direction, answer.occurred_time) == (Direction.INBOUND, NOW)
    assert (refusal.direction, refusal.topic) == (Direction.INBOUND, "unsubscribe")
    assert {each.links[0].id for each in (message, answer, refusal)} == {TOUCH}


def test_a_visit_that_was_made_is_a_meeting_of_its_assignee(world: World) -> None:
    task = {"assignee": "ada", "outcome": "OUTCOME_DONE", "note": "She was glad"}
    told = touch(form="FORM_VISIT", channel="CHANNEL_VISIT", task=task, result_time=NOW)
    hear(world, care.TouchResponded(touch=told))
    [visit] = recorded(world)
    assert (visit.direction, visit.service_level) == (Direction.OUTBOUND, ServiceLevel.FACE)
    assert (visit.agent_id, visit.summary) == ("ada", "She was glad")
