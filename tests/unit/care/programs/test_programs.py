"""Programs: versions, states, the linter, and everything that is refused by its name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.care.v1 import programs_pb2 as pb

from libs.chassis import identity
from libs.chassis.domain import DomainError, InvalidArgument
from tests.unit.care.conftest import NOW, PLAN, Care, Heard, created, program


def refusal(world: Care, plan: dict[str, Any] | None = None, **fields: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as refused:
        world.call(pb.CreateProgramRequest(program=program(plan, **fields)), pb.Program)
    return refused.value


def test_a_program_begins_as_a_draft_of_whoever_writes_it(world: Care) -> None:
    made = created(world)
    assert (made.state, made.version, made.owner) == (pb.Program.STATE_DRAFT, 1, "ada")
    assert world.events() == ["program.created"]
    assert made.quiet_hours == pb.QuietHours(start_minute=1260, end_minute=480)


def test_every_version_stays(world: Care) -> None:
    made = created(world)
    made.display_name = "Birthdays of everybody"
    revised = world.call(pb.ReviseProgramRequest(program=made), pb.Program)
    assert revised.version == 2
    first = world.call(pb.GetProgramRequest(program_id=made.id, version=1), pb.Program)
    assert first.display_name == "Birthdays"
    same = world.call(pb.ReviseProgramRequest(program=revised), pb.Program)
    assert same.version == 2


def test_a_draft_is_not_put_to_work_unseen(world: Care) -> None:
    made = created(world)
    with pytest.raises(DomainError) as refused:
        world.call(pb.ActivateProgramRequest(program_id=made.id), pb.Program)
    assert refused.value.reason_code == "PROGRAM_STATE_FORBIDS"
    assert refused.value.metadata["state"] == "DRAFT"


def test_a_retired_program_stays_retired(world: Care) -> None:
    made = created(world)
    retired = world.call(pb.RetireProgramRequest(program_id=made.id), pb.Program)
    assert retired.state == pb.Program.STATE_RETIRED
    for request in (pb.ActivateProgramRequest, pb.PauseProgramRequest):
        with pytest.raises(DomainError, match="RETIRED"):
            world.call(request(program_id=made.id), pb.Program)


OFFERS = [
    "全场八折",
    "立减 50",
    "只要 99 元",
    "Only $9.99",
    "20% off today",
    "a coupon for you",
    "限时优惠",
    "now USD 5",
]


@pytest.mark.parametrize("words", OFFERS)
@pytest.mark.parametrize("purpose", ["PURPOSE_CARE", "PURPOSE_ONBOARDING"])
def test_care_holds_no_price_and_no_offer(world: Care, words: str, purpose: str) -> None:
    contents = [{"language_code": "en", "subject": "Hello", "body": f"Dear friend, {words}."}]
    wrong = refusal(world, {**PLAN, "contents": contents}, purpose=purpose)
    assert [(each.field, each.reason) for each in wrong.violations if each.reason == "OFFER_IN_CARE"] == [
        ("program.plans[0].contents[0].body", "OFFER_IN_CARE")
    ] * len([each for each in wrong.violations if each.reason == "OFFER_IN_CARE"])
    assert any(each.reason == "OFFER_IN_CARE" for each in wrong.violations)


@pytest.mark.parametrize(
    "words", ["祝您健康快乐", "We hope the 2 of you enjoy the day", "第八十届", "Priceless friendship"]
)
def test_plain_words_are_no_offer(world: Care, words: str) -> None:
    contents = [{"language_code": "en", "subject": "Hello", "body": words}]
    assert created(world, {**PLAN, "contents": contents}).version == 1


def test_a_notice_names_its_amount_but_offers_nothing(world: Care) -> None:
    contents = [{"language_code": "en", "subject": "Invoice", "body": "Your invoice of EUR 20 is due."}]
    assert created(world, {**PLAN, "contents": contents}, purpose="PURPOSE_SERVICE_NOTICE").version == 1
    contents = [{"language_code": "en", "subject": "Invoice", "body": "Pay today and get 10% off."}]
    wrong = refusal(world, {**PLAN, "contents": contents}, purpose="PURPOSE_SERVICE_NOTICE")
    assert [each.reason for each in wrong.violations] == ["OFFER_IN_CARE"]


def plan_with(**trigger: Any) -> dict[str, Any]:
    return {name: value for name, value in PLAN.items() if name != "on_date"} | trigger


UNSOUND = [
    (plan_with(on_festival={"festival": "FULL_MOON"}), "plans[0].on_festival.festival"),
    (plan_with(on_solar_term={"term": "夏天"}), "plans[0].on_solar_term.term"),
    (
        plan_with(recurrence={"rule": "FREQ=HOURLY", "start_date": {"year": 2026, "month": 1, "day": 1}}),
        "plans[0].recurrence.rule",
    ),
    (plan_with(on_date={"kind": "KIND_CUSTOM"}), "plans[0].on_date.label"),
    ({**PLAN, "channel": "CHANNEL_VISIT"}, "plans[0].channel"),
    ({**PLAN, "contents": []}, "plans[0].form"),
    ({**PLAN, "form": "FORM_GIFT", "contents": []}, "plans[0].form"),
    ({**PLAN, "contents": [{"language_code": "en", "body": "x"}]}, "plans[0].contents[0].subject"),
    (
        {**PLAN, "contents": [{"language_code": "en", "subject": "x", "body": "Dear {{children}}"}]},
        "plans[0].contents[0].body",
    ),
    ({name: value for name, value in PLAN.items() if name != "minute"}, "plans[0].minute"),
]


@pytest.mark.parametrize(("plan", "field"), UNSOUND, ids=[field for _, field in UNSOUND])
def test_what_is_unsound_is_refused_at_its_field(world: Care, plan: dict[str, Any], field: str) -> None:
    assert f"program.{field}" in [each.field for each in refusal(world, plan).violations]
    checked = world.call(pb.CheckProgramRequest(program=program(plan)), pb.CheckProgramResponse)
    assert field in [each.field for each in checked.violations]
    assert world.events() == []


def test_an_unknown_zone_and_two_plans_of_a_tier_are_refused_together(world: Care) -> None:
    wrong = refusal(world, time_zone="Mars/Olympus", plans=[PLAN, PLAN])
    assert [each.field for each in wrong.violations] == ["program.time_zone", "program.plans"]


def test_a_personal_fact_is_no_merge_field(world: Care) -> None:
    content = pb.Content(language_code="en", subject="Hi", body="How is {{ dog }}?")
    with pytest.raises(InvalidArgument) as refused:
        world.call(pb.PreviewContentRequest(content=content), pb.PreviewContentResponse)
    assert [each.reason for each in refused.value.violations] == ["MERGE_FIELD_UNKNOWN"]


def test_a_preview_fills_examples_in(world: Care) -> None:
    content = pb.Content(language_code="zh", subject="{{occasion}}", body="亲爱的{{ display_name }}，{{date}}")
    shown = world.call(pb.PreviewContentRequest(content=content), pb.PreviewContentResponse)
    assert (shown.subject, shown.body) == ("中秋节", "亲爱的王芳，2026-09-25")


def test_one_customer_gets_another_plan_until_it_expires(world: Care, heard: Heard) -> None:
    made, customer_id = created(world), heard()
    asked = pb.PlanOverride(
        program_id=made.id,
        customer_id=customer_id,
        plan=pb.Plan(**{**PLAN, "minute": 600}),
        reason="She asked for the afternoon",
        expire_time=NOW + timedelta(days=30),
    )
    override = world.call(pb.OverridePlanRequest(override=asked), pb.PlanOverride)
    assert override.owner == "ada"
    listed = world.call(pb.ListOverridesRequest(program_id=made.id), pb.ListOverridesResponse)
    assert [each.id for each in listed.overrides] == [override.id]
    ended = world.call(pb.EndOverrideRequest(override_id=override.id), pb.PlanOverride)
    assert ended.expire_time.ToDatetime() == NOW.replace(tzinfo=None)


def test_an_override_needs_a_future_and_a_customer(world: Care, heard: Heard) -> None:
    made = created(world)
    over = {"program_id": made.id, "plan": pb.Plan(**PLAN), "reason": "x"}
    past = pb.PlanOverride(customer_id=heard(), expire_time=NOW, **over)
    with pytest.raises(DomainError) as refused:
        world.call(pb.OverridePlanRequest(override=past), pb.PlanOverride)
    assert refused.value.reason_code == "OVERRIDE_OVER"
    nobody = pb.PlanOverride(customer_id=identity.new_id("cus"), expire_time=NOW + timedelta(days=1), **over)
    with pytest.raises(DomainError) as refused:
        world.call(pb.OverridePlanRequest(override=nobody), pb.PlanOverride)
    assert refused.value.reason_code == "NOT_FOUND"
