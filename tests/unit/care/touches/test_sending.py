"""Sending: in the words of the customer, judged at the last moment, with every reason kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kehu.care.v1 import touches_pb2 as pb
from kehu.profiles.v1 import events_pb2 as profiles

from services.care.senders.domain import Message
from services.care.touches.application.firing import Waits
from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import Care, Heard, Provider, active, customer, grant, pulse, sender
from tests.unit.care.sending import BIRTHDAY, fire, go, mailbox, planned, touches


def test_a_message_comes_at_the_minute_in_the_words_of_the_customer(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY - timedelta(minutes=1))
    fire(world, provider)
    assert provider.sent == []
    go(world, BIRTHDAY)
    fire(world, provider)
    [message] = provider.sent
    [touch] = touches(world)
    assert (message.key, message.to, message.subject) == (touch.id, "wang@example.com", "生日快乐，王芳")
    assert message.unsubscribe_url == f"https://example.com/out/{touch.code}"
    assert message.unsubscribe_url in message.body
    assert (touch.state, touch.send_time) == (TouchState.SENT, BIRTHDAY)
    assert touch.permission_ref.startswith("rcp_")
    assert [each for each in world.events() if each.startswith("touch")] == [
        "touch.planned",
        "touch.claimed",
        "touch.sent",
    ]
    fire(world, provider)
    assert len(provider.sent) == 1


def test_t05_consent_withdrawn_between_claim_and_send_calls_no_provider(
    world: Care, heard: Heard, provider: Provider
) -> None:
    active(world)
    sender(world)
    ids = [heard(contact_points=[mailbox(n)]) for n in range(3)]
    planned(world)
    go(world, BIRTHDAY)
    no = grant(state="STATE_WITHDRAWN", capture_time=BIRTHDAY)

    def withdraw(message: Message) -> None:
        """While the first message is under way, all of the others are claimed and take their consent back."""
        for id in ids:
            told = customer(id, contact_points=[mailbox(ids.index(id))], consent={"decisions": [grant(), no]})
            world.hear(profiles.ConsentChanged(customer_id=id, customer=told), entity_id=id, revision=2)

    provider.before = withdraw
    fire(world, provider)
    assert len(provider.sent) == 1
    late = [each for each in touches(world) if each.state is TouchState.SUPPRESSED]
    assert len(late) == 2
    assert {finding.reason for each in late for finding in each.findings} == {"CONSENT_REFUSED"}
    assert all(each.attempts == 1 for each in late)  # it was claimed


def test_nothing_is_sent_while_nothing_is_heard_of_consent(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY - timedelta(minutes=10))
    go(world, BIRTHDAY, hear=False)
    with pytest.raises(Waits):
        fire(world, provider)
    assert provider.sent == []
    pulse(world)
    fire(world, provider)
    assert len(provider.sent) == 1


def test_every_reason_is_stored_and_explained(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    heard(consent={"decisions": []}, contact_points=[])
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    [touch] = touches(world)
    assert touch.state is TouchState.SUPPRESSED
    assert {each.reason for each in touch.findings} == {"NO_CONSENT", "NO_CONTACT_POINT", "NO_SENDER"}
    told = world.call(pb.ExplainSuppressionRequest(touch_id=touch.id), pb.Explanation)
    reason = pb.Finding.Reason
    assert {each.reason for each in told.touch.findings} == {
        reason.REASON_NO_CONSENT,
        reason.REASON_NO_CONTACT_POINT,
        reason.REASON_NO_SENDER,
    }
    assert {each.reason for each in told.findings_now} == {each.reason for each in told.touch.findings}
