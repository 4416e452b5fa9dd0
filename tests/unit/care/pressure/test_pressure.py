"""Pressure on customers: one ledger over care, surveys and sales, caps by purpose and tier, exempt notices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.care.v1 import events_pb2 as own
from kehu.care.v1 import pressure_pb2 as pb
from kehu.care.v1 import touches_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.surveys.v1 import events_pb2 as surveys

from libs.chassis import identity
from libs.chassis.domain import DomainError
from services.care.customers.domain.projection import Channel, ConsentPurpose
from services.care.pressure.domain import Book, Burden, Cap, PressureRule, finding
from services.care.touches.domain.touches import TouchState
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, Provider, active, grant, sender
from tests.unit.care.sending import BIRTHDAY, fire, go, merge, planned, touches

DAY = timedelta(days=1)
SURVEY: dict[str, Any] = {
    "on_fact": {"fact": "FACT_SURVEY_INVITATION"},
    "useful_days": 5,
    "form": "FORM_MESSAGE",
    "channel": "CHANNEL_EMAIL",
    "contents": [{"language_code": "zh", "subject": "您的意见", "body": "请回答：{{survey}}"}],
}


@pytest.fixture
def provider() -> Provider:
    return Provider()


def burden(
    days_ago: float = 0, channel: Channel = Channel.EMAIL, purpose: ConsentPurpose = ConsentPurpose.CARE
) -> Burden:
    weight = PressureRule(id="").weight_of(channel)
    return Burden(
        key=identity.new_id("tch"), time=NOW - days_ago * DAY, channel=channel, purpose=purpose, weight=weight
    )


def cap(world: Care, *caps: dict[str, Any], **fields: Any) -> None:
    world.call(pb.SetPressureRuleRequest(rule={"caps": caps, **fields}), pb.PressureRule)


def check(world: Care, customer_id: str, **fields: Any) -> pb.Standing:
    told = {"channel": "CHANNEL_EMAIL", "purpose": "PURPOSE_CARE", **fields}
    return world.call(pb.CheckContactPressureRequest(customer_id=customer_id, **told), pb.Standing)


# ---------------------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("past", "next_one", "free"),
    [
        ([], burden(), None),
        ([burden(1), burden(2)], burden(), None),
        ([burden(1), burden(2), burden(6)], burden(), NOW + DAY),
        ([burden(1), burden(2), burden(7)], burden(), None),  # just out of the window
        ([burden(1), burden(2)], burden(channel=Channel.SMS), NOW + 5 * DAY),
        ([burden(1, purpose=ConsentPurpose.SERVICE)] * 9, burden(), None),
        ([burden(1)] * 9, burden(purpose=ConsentPurpose.SERVICE), None),
    ],
)
def test_a_cap_counts_what_lies_in_its_window(past: list[Burden], next_one: Burden, free: Any) -> None:
    rule = PressureRule(id="", caps=(Cap(days=7, weight=3),))
    found = finding(rule, past, next_one, "A")
    assert (found.end_time if found is not None else None) == free


def test_what_is_heavier_than_its_cap_never_fits() -> None:
    found = finding(PressureRule(id="", caps=(Cap(days=7, weight=3),)), [], burden(channel=Channel.VISIT), "A")
    assert found is not None
    assert (found.end_time, found.explanation) == (None, "0 + 4 of 3 within 7 days")


def test_caps_are_of_a_purpose_and_of_a_tier() -> None:
    rule = PressureRule(id="", caps=(Cap(purpose=ConsentPurpose.SURVEY, tier="A", days=30, weight=1),))
    past = [burden(3, purpose=ConsentPurpose.SURVEY), burden(3)]
    asked = burden(purpose=ConsentPurpose.SURVEY)
    assert finding(rule, past, asked, "A") is not None
    assert finding(rule, past, asked, "B") is None
    assert finding(rule, past, burden(), "A") is None


def test_a_book_knows_each_burden_once_and_forgets_after_a_year() -> None:
    book = Book(id="b", customer_id="c")
    old, fresh = burden(400), burden()
    for some in ([old], [fresh], [fresh, old]):
        book, _ = book.note(some)
    assert book.burdens == (fresh,)


# --------------------------------------------------------------------------------------------------------- what is sent


def test_of_two_programs_on_one_day_the_second_waits(world: Care, heard: Heard, provider: Provider) -> None:
    cap(world, {"days": 2, "weight": 1})
    for name in ("One", "Two"):
        active(world, {**PLAN, "useful_days": 5}, display_name=name)
    sender(world)
    id = heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert len(provider.sent) == 1
    [waits] = [each for each in touches(world) if each.state is TouchState.DEFERRED]
    assert [each.reason for each in waits.findings] == ["PRESSURE"]
    assert waits.due_time == BIRTHDAY + 2 * DAY
    told = check(world, id)
    assert (told.permitted, told.loads[0].used) == (False, 1)
    assert told.loads[0].free_time.ToDatetime() == (BIRTHDAY + 2 * DAY).replace(tzinfo=None)
    go(world, BIRTHDAY + 2 * DAY)
    fire(world, provider)
    assert len(provider.sent) == 2


def test_a_notice_of_a_contract_is_exempt_and_counted(world: Care, heard: Heard, provider: Provider) -> None:
    cap(world, {"days": 7, "weight": 0})
    active(world, purpose="PURPOSE_SERVICE_NOTICE")
    sender(world)
    id = heard()
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert len(provider.sent) == 1
    told = check(world, id, purpose="PURPOSE_SERVICE")
    assert (told.permitted, told.exempt, len(told.burdens)) == (
        True,
        True,
        1,
    )
    assert not check(world, id).permitted


def call(world: Care, customer_id: str, purpose: str = "PURPOSE_SALES", **fields: Any) -> None:
    told = {
        "id": identity.new_id("int"),
        "customer_id": customer_id,
        "occurred_time": NOW,
        "direction": "DIRECTION_OUTBOUND",
        "channel": "CHANNEL_VOICE",
        "purpose": purpose,
        **fields,
    }
    for revision in (1, 2):
        world.hear(interactions.InteractionRecorded(interaction=told), entity_id=told["id"], revision=revision)


def test_calls_of_sales_stand_in_the_same_ledger(world: Care, heard: Heard, provider: Provider) -> None:
    cap(world, {"days": 7, "weight": 4})
    active(world)
    sender(world)
    id = heard()
    call(world, id)
    call(world, id, direction="DIRECTION_INBOUND")
    call(world, id, external_key="care:tch_1")
    planned(world)
    go(world, BIRTHDAY)
    fire(world, provider)
    assert provider.sent == []
    assert [each.reason for each in touches(world)[0].findings][:1] == ["PRESSURE"]
    assert check(world, id).loads[0].used == 4


def test_a_merge_adds_both_ledgers_up(world: Care, heard: Heard) -> None:
    cap(world, {"days": 7, "weight": 7})
    absorbed, survivor = heard(), heard()
    call(world, absorbed)
    call(world, survivor)
    assert check(world, survivor).permitted
    merge(world, absorbed, survivor)
    assert not check(world, survivor).permitted
    assert check(world, absorbed).loads[0].used == 8


def test_the_same_cap_twice_is_refused(world: Care) -> None:
    with pytest.raises(DomainError) as refused:
        cap(world, {"days": 7, "weight": 1}, {"days": 7, "weight": 2})
    assert refused.value.reason_code == "CAP_REPEATED"


# ------------------------------------------------------------------------------------------------- what surveys ask for


def invite(world: Care, customer_id: str, reminders: int = 0) -> str:
    told = {"id": identity.new_id("inv"), "customer_id": customer_id, "reminders": reminders}
    told["expire_time"] = NOW + 20 * DAY
    event = surveys.InvitationReminded if reminders else surveys.InvitationRequested
    message = event(invitation=told, survey_token="t0ken")
    for revision in (1, 2):
        world.hear(message, entity_id=str(told["id"]), revision=revision)
    return str(told["id"])


def asked(world: Care, heard: Heard) -> str:
    sender(world, survey_url="https://example.com/survey/")
    return heard(consent={"decisions": [grant(purpose="PURPOSE_SURVEY")]})


def answers(world: Care) -> list[own.RequestAnswered]:
    kind = "kehu.care.request.answered.v1"
    return [own.RequestAnswered.FromString(each.data) for each in world.database.events() if each.type == kind]


def test_an_invitation_is_sent_with_its_link_and_answered(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, SURVEY, purpose="PURPOSE_SURVEY")
    id = asked(world, heard)
    invitation = invite(world, id)
    fire(world, provider)
    [message] = provider.sent
    assert message.body == "请回答：https://example.com/survey/t0ken"
    [touch] = touches(world)
    assert (touch.request_ref, touch.purpose) == (invitation, ConsentPurpose.SURVEY)
    [answer] = answers(world)
    assert (answer.request_ref, answer.outcome) == (invitation, own.RequestAnswered.OUTCOME_SENT)


@pytest.mark.parametrize("case", ["no program", "no consent", "pressure"])
def test_an_invitation_that_is_not_sent_is_answered_with_every_reason(
    world: Care, heard: Heard, provider: Provider, case: str
) -> None:
    if case != "no program":
        active(world, SURVEY, purpose="PURPOSE_SURVEY")
    id = asked(world, heard) if case != "no consent" else heard()
    if case == "pressure":
        cap(world, {"purpose": "PURPOSE_SURVEY", "days": 30, "weight": 0})
    sender(world)
    invitation = invite(world, id)
    fire(world, provider)
    assert provider.sent == []
    [answer] = answers(world)
    expected = {"no program": "NO_PLAN", "no consent": "NO_CONSENT", "pressure": "PRESSURE"}[case]
    assert answer.request_ref == invitation
    assert answer.outcome == own.RequestAnswered.OUTCOME_SUPPRESSED
    assert [touches_pb2.Finding.Reason.Name(each) for each in answer.reasons] == [f"REASON_{expected}"]


def test_a_reminder_is_another_touch_of_the_same_invitation(world: Care, heard: Heard, provider: Provider) -> None:
    active(world, SURVEY, purpose="PURPOSE_SURVEY")
    id = asked(world, heard)
    invite(world, id)
    invite(world, id, reminders=1)
    fire(world, provider)
    assert len(provider.sent) == 2


def test_erasure_takes_the_ledger_and_the_way_in(world: Care, heard: Heard) -> None:
    active(world, SURVEY, purpose="PURPOSE_SURVEY")
    id = asked(world, heard)
    call(world, id)
    invite(world, id)
    [touch] = touches(world)
    erased, _ = touch.erase()
    assert (touch.survey_token, erased.survey_token) == ("t0ken", "")
    [book] = world.store.pressure.books.find(None, limit=5)
    left, _ = book.erase()[0].note([burden()])
    assert (len(book.burdens), left.burdens) == (1, ())
