"""Reports of providers, the way out, and the senders behind them."""

from __future__ import annotations

from typing import Any

import pytest
from kehu.care.v1 import programs_pb2, senders_pb2
from kehu.care.v1 import touches_pb2 as pb

from libs.chassis import identity
from libs.chassis.domain import DomainError
from services.care.touches.domain.touches import Touch
from tests.unit.care.conftest import PLAN, Care, Heard, Provider, active, created, sender
from tests.unit.care.sending import BIRTHDAY, fire, go, mailbox, merge, planned, report, touches


def sent(world: Care, heard: Heard, provider: Provider) -> Touch:
    active(world)
    sender(world)
    heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    return touches(world)[0]


def test_a_provider_reports_and_a_forger_does_not(world: Care, heard: Heard, provider: Provider) -> None:
    touch = sent(world, heard, provider)
    with pytest.raises(DomainError) as refused:
        report(world, touch.id, "DELIVERED", secret="guess")
    assert refused.value.reason_code == "REPORT_FORGED"
    assert report(world, touch.id, "DELIVERED").state == pb.Touch.STATE_DELIVERED
    assert report(world, touch.id, "BOUNCED", "550 no such user").state == pb.Touch.STATE_FAILED
    with pytest.raises(DomainError) as refused:
        report(world, identity.new_id("tch"), "BOUNCED")
    assert refused.value.reason_code == "NOT_FOUND"


def test_the_link_of_a_message_works_after_a_merge_and_stops_the_next_one(
    world: Care, heard: Heard, provider: Provider
) -> None:
    touch = sent(world, heard, provider)
    survivor = heard(contact_points=[mailbox(7)])
    merge(world, touch.customer_id, survivor)
    answer = world.call(pb.UnsubscribeRequest(code=touch.code), pb.UnsubscribeResponse)
    assert answer.purpose == "CARE"
    assert world.events()[-1] == "unsubscribe.requested"
    active(world, {**PLAN, "on_date": {"kind": "KIND_BIRTH"}, "useful_days": 3}, display_name="Another")
    planned(world)
    fire(world, provider)
    last = [each for each in touches(world) if each.program_id != touch.program_id and each.customer_id == survivor]
    assert [[finding.reason for finding in each.findings] for each in last] == [["CONSENT_REFUSED"]]
    assert len(provider.sent) == 1
    with pytest.raises(DomainError) as refused:
        world.call(pb.UnsubscribeRequest(code="0" * 32), pb.UnsubscribeResponse)
    assert refused.value.reason_code == "UNSUBSCRIBE_CODE_UNKNOWN"


def test_a_skipped_touch_is_not_sent(world: Care, heard: Heard, provider: Provider) -> None:
    active(world)
    sender(world)
    heard()
    [touch] = planned(world)
    world.call(pb.SkipTouchRequest(touch_id=touch.id, reason="He is in hospital"), pb.Touch)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert provider.sent == []
    with pytest.raises(DomainError):
        world.call(pb.SkipTouchRequest(touch_id=touch.id, reason="again"), pb.Touch)


def test_a_review_counts_who_would_get_it_and_why_others_would_not(world: Care, heard: Heard) -> None:
    made = created(world)
    sender(world)
    for n in range(3):
        heard(contact_points=[mailbox(n)])
    heard(consent={"decisions": []})
    heard(contact_points=[])
    heard(dates=[])
    seen = world.call(pb.ReviewProgramRequest(program_id=made.id, days=5), pb.ReviewProgramResponse)
    assert seen.program.state == programs_pb2.Program.STATE_REVIEW
    shown = seen.simulation
    assert (shown.customer_count, shown.audience_count, shown.consent_count) == (6, 6, 5)
    assert (shown.sent_count, shown.suppressed_count) == (3, 2)
    assert {pb.Finding.Reason.Name(each.reason): each.count for each in shown.reasons} == {
        "REASON_NO_CONSENT": 1,
        "REASON_NO_CONTACT_POINT": 1,
    }
    assert touches(world) == []


def test_senders_keep_their_secrets(world: Care) -> None:
    made = sender(world)
    assert made.secret == ""
    asked = senders_pb2.Sender(channel="CHANNEL_EMAIL", smtp=made.smtp, rate_per_minute=9)
    assert world.call(senders_pb2.DefineSenderRequest(sender=asked), senders_pb2.Sender).secret == ""
    [kept] = world.store.senders.senders.find(None, limit=9)
    assert (kept.secret, kept.rate_per_minute) == ("s3cret", 9)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {
                "channel": "CHANNEL_SMS",
                "smtp": {"host": "x", "port": 25, "security": "SECURITY_TLS", "from_address": "a@b.cn"},
            },
            "CHANNEL_NOT_SENDABLE",
        ),
        ({"channel": "CHANNEL_VISIT", "webhook": {"url": "https://x.example"}}, "CHANNEL_NOT_SENDABLE"),
        ({"channel": "CHANNEL_SMS", "webhook": {"url": "http://sms.example.com/send"}}, "ADDRESS_NOT_SAFE"),
        (
            {
                "channel": "CHANNEL_EMAIL",
                "smtp": {"host": "mx.example.com", "port": 25, "security": "SECURITY_PLAIN", "from_address": "a@b.cn"},
            },
            "ADDRESS_NOT_SAFE",
        ),
    ],
)
def test_a_sender_that_does_not_fit_is_refused(world: Care, fields: dict[str, Any], reason: str) -> None:
    asked = senders_pb2.Sender(rate_per_minute=10, **fields)
    with pytest.raises(DomainError) as refused:
        world.call(senders_pb2.DefineSenderRequest(sender=asked), senders_pb2.Sender)
    assert refused.value.reason_code == reason
