"""Complaints hold messages back, and meetings end silence."""

from __future__ import annotations

from datetime import timedelta

from kehu.interactions.v1 import events_pb2 as interactions

from libs.chassis import identity
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, Provider, active, sender
from tests.unit.care.sending import BIRTHDAY, fire, go, planned, touches


def test_a_message_waits_while_a_complaint_is_open(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, {**PLAN, "useful_days": 1})
    sender(world)
    id = heard()
    planned(world)
    complaint = {"id": identity.new_id("cmp"), "customer_id": id, "state": "COMPLAINT_STATE_RECEIVED"}
    world.hear(interactions.ComplaintReceived(complaint=complaint), entity_id=complaint["id"])
    go(world, BIRTHDAY)
    fire(world, provider)
    assert provider.sent == []
    assert [each.reason for each in touches(world)[0].findings] == ["COMPLAINT_OPEN"]
    over = interactions.ComplaintStateChanged(complaint={**complaint, "state": "COMPLAINT_STATE_CONFIRMED"})
    world.hear(over, entity_id=complaint["id"], revision=2)
    go(world, BIRTHDAY + timedelta(hours=1))
    fire(world, provider)
    assert len(provider.sent) == 1


def test_what_a_machine_sent_ends_no_silence(world: Care, heard: Heard) -> None:
    id = heard()
    told = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": NOW, "direction": "DIRECTION_OUTBOUND"}
    machine = {**told, "service_level": "SERVICE_LEVEL_SELF"}
    world.hear(interactions.InteractionRecorded(interaction=machine), entity_id=told["id"])
    assert world.store.customers.require(id).contact_time is None
    world.hear(interactions.InteractionRecorded(interaction=told), entity_id=told["id"], revision=2)
    assert world.store.customers.require(id).contact_time == NOW


def test_an_interaction_on_a_channel_of_a_newer_release_is_heard_like_any_other(world: Care, heard: Heard) -> None:
    id = heard()
    told = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": NOW, "direction": "DIRECTION_OUTBOUND"}
    world.hear(interactions.InteractionRecorded(interaction={**told, "channel": 4711}), entity_id=told["id"])
    assert world.store.customers.require(id).contact_time == NOW
