"""May I send this? Every reason why not."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.profiles.consent.domain.permission import Sending, SendPermission, SendQuestion, SendReason
from services.profiles.customers.domain.consents import Capture, ConsentState, Purpose
from services.profiles.customers.domain.contact_points import Channel, ContactPointStatus
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.preferences import Preferences, QuietWindow
from tests.unit.profiles.builders import NOW, decided, decision, email, person, reachable

DAY = timedelta(days=1)
QUIET = Preferences(time_zone="Asia/Shanghai", quiet_windows=(QuietWindow(start="17:00", end="19:00"),))
"""NOW is 17:30 in Shanghai."""


def ask(
    customer: Customer,
    purpose: Purpose = Purpose.MARKETING,
    channel: Channel = Channel.EMAIL,
    contact_point: str = "",
    at: datetime = NOW,
) -> SendPermission:
    return Sending.to(customer, SendQuestion(purpose=purpose, channel=channel, contact_point=contact_point)).permission(
        at
    )


def blocks(permission: SendPermission) -> list[SendReason]:
    return [finding.reason for finding in permission.blocks]


def test_allowed_says_where_to() -> None:
    permission = ask(decided(reachable(), decision()))
    assert permission == SendPermission(allowed=True, contact_point="ada@example.com", next_permitted_time=NOW)


def test_every_reason_is_told_at_once() -> None:
    ada = decided(reachable(preferences=replace(QUIET, channels=(Channel.SMS,))), decision())
    ada = decided(ada, decision(ConsentState.DENIED, capture_time=NOW - DAY))
    mailbox = ada.contact_points[0]
    ada, _ = ada.with_changed_contact_point(
        mailbox, replace(mailbox.reported(ContactPointStatus.BOUNCED), verify_time=None)
    )
    ada, _ = ada.delete(NOW)
    permission = ask(ada)
    assert blocks(permission) == [
        SendReason.CUSTOMER_DELETED,
        SendReason.CONSENT_WITHDRAWN,
        SendReason.CONTACT_POINT_BOUNCED,
        SendReason.CONTACT_POINT_UNVERIFIED,
        SendReason.QUIET_WINDOW,
    ]
    assert [finding.reason for finding in permission.advice] == [SendReason.CHANNEL_NOT_PREFERRED]
    assert (permission.allowed, permission.next_permitted_time) == (False, None)
    assert all(finding.explanation for finding in permission.blocks)
    assert permission.blocks[1].receipt_id == "rcp_1"


@pytest.mark.parametrize("purpose", [Purpose.CARE, Purpose.MARKETING, Purpose.SURVEY, Purpose.PROFILING])
def test_without_consent_nothing_but_service_is_sent(purpose: Purpose) -> None:
    assert blocks(ask(reachable(), purpose)) == [SendReason.NO_CONSENT]
    assert ask(reachable(), Purpose.SERVICE).allowed


def test_a_refusal_of_service_is_respected() -> None:
    ada = decided(reachable(), decision(ConsentState.DENIED, purpose=Purpose.SERVICE, channel=Channel.SMS))
    assert blocks(ask(ada, Purpose.SERVICE, Channel.SMS)) == [SendReason.CONSENT_DENIED]
    assert ask(ada, Purpose.SERVICE, Channel.EMAIL).allowed


def test_consent_for_one_purpose_channel_or_point_is_for_no_other() -> None:
    ada = decided(reachable(), decision(channel=Channel.EMAIL, contact_point="ada@example.com"))
    assert ask(ada).allowed
    assert blocks(ask(ada, Purpose.SURVEY)) == [SendReason.NO_CONSENT]
    assert blocks(ask(ada, channel=Channel.SMS)) == [SendReason.NO_CONSENT]
    ada, _ = ada.with_contact_point(email("b@example.com"))
    assert SendReason.NO_CONSENT in blocks(ask(ada, contact_point="b@example.com"))


@pytest.mark.parametrize(
    ("at", "reasons", "next_time"),
    [
        (NOW - 11 * DAY, [SendReason.CONSENT_NOT_YET_EFFECTIVE], NOW - 10 * DAY),
        (NOW - 10 * DAY, [], NOW - 10 * DAY),
        (NOW, [], NOW),
        (NOW + 10 * DAY, [SendReason.CONSENT_EXPIRED], None),
    ],
)
def test_a_grant_counts_in_its_interval(at: datetime, reasons: list[SendReason], next_time: datetime | None) -> None:
    ada = decided(reachable(), decision(effective_from_time=NOW - 10 * DAY, effective_to_time=NOW + 10 * DAY))
    permission = ask(ada, at=at)
    assert (blocks(permission), permission.next_permitted_time) == (reasons, next_time)


def test_a_narrow_grant_that_expired_does_not_hide_a_wide_one_that_runs() -> None:
    ada = decided(reachable(), decision(), decision(channel=Channel.EMAIL, effective_to_time=NOW - DAY))
    assert ask(ada).allowed


@pytest.mark.parametrize("status", [status for status in ContactPointStatus if status is not ContactPointStatus.ACTIVE])
def test_a_point_that_does_not_work_blocks(status: ContactPointStatus) -> None:
    ada = decided(reachable(), decision())
    ada, _ = ada.with_changed_contact_point(ada.contact_points[0], ada.contact_points[0].reported(status))
    assert SendReason(f"CONTACT_POINT_{status}") in blocks(ask(ada))


def test_a_channel_without_its_point_and_a_point_of_somebody_else_block() -> None:
    ada = decided(reachable(), decision())
    assert blocks(ask(ada, channel=Channel.LETTER)) == [SendReason.NO_CONTACT_POINT]
    assert blocks(ask(ada, contact_point="eve@example.com")) == [SendReason.NO_CONTACT_POINT]
    assert ask(ada, channel=Channel.VIDEO).allowed


def test_an_unverified_point_blocks_all_but_service_where_it_is_advice() -> None:
    ada = decided(person(contact_points=(email(),)), decision())
    assert blocks(ask(ada)) == [SendReason.CONTACT_POINT_UNVERIFIED]
    service = ask(ada, Purpose.SERVICE)
    assert service.allowed
    assert [finding.reason for finding in service.advice] == [SendReason.CONTACT_POINT_UNVERIFIED]


def test_quiet_tells_when_it_ends() -> None:
    permission = ask(decided(reachable(preferences=QUIET), decision()))
    assert blocks(permission) == [SendReason.QUIET_WINDOW]
    assert permission.blocks[0].end_time == permission.next_permitted_time == NOW + timedelta(minutes=90)


def test_next_permitted_time_waits_for_everything_and_gives_up_when_consent_ends_first() -> None:
    until_six = decision(effective_to_time=NOW + timedelta(minutes=30))
    assert ask(decided(reachable(preferences=QUIET), until_six)).next_permitted_time is None
    from_six = decision(effective_from_time=NOW + timedelta(minutes=30))
    permission = ask(decided(reachable(preferences=QUIET), from_six))
    assert permission.next_permitted_time == NOW + timedelta(minutes=90)


def test_quiet_over_the_spring_change_of_clocks_is_an_hour_shorter() -> None:
    zone = ZoneInfo("America/New_York")
    night = Preferences(time_zone="America/New_York", quiet_windows=(QuietWindow(start="21:00", end="08:00"),))
    evening = datetime(2026, 3, 7, 21, tzinfo=zone)
    ada = decided(reachable(preferences=night), decision(capture=Capture.SIGNED_DOCUMENT, capture_time=evening - DAY))
    ends = ask(ada, at=evening).next_permitted_time
    assert ends is not None
    assert ends.astimezone(zone) == datetime(2026, 3, 8, 8, tzinfo=zone)
    assert ends - evening.astimezone(ends.tzinfo) == timedelta(hours=10)
