"""Frames, draws and invitations through the API: chances that are kept, and every reason against asking."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from kehu.care.v1 import events_pb2 as care
from kehu.profiles.v1 import customer_pb2
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.surveys.v1 import collection_pb2, questionnaires_pb2
from kehu.surveys.v1 import sampling_pb2 as pb

from libs.chassis import identity
from libs.chassis.paging import PageRequest
from tests.unit.surveys.builders import completed, invited, link, refusal, saved, started, token_of
from tests.unit.surveys.conftest import NOW, Field, drafted

DAY = timedelta(days=1)
PEOPLE = [identity.derived_id("cus", str(number)) for number in range(40)]


def sample(world: Field, survey_id: str, **fields: Any) -> pb.Sample:
    told = {"survey_id": survey_id, "method": "DESIGN_METHOD_SIMPLE_RANDOM", "sample_size": 10, "seed": 7, **fields}
    return world.call(pb.CreateSampleRequest(sample=pb.Sample(**told)), pb.Sample)


def framed(world: Field, sample_id: str, people: list[str] = PEOPLE, **fields: Any) -> pb.Sample:
    entries = [pb.FrameEntry(customer_id=each, **fields) for each in people]
    return world.call(pb.AddFrameEntriesRequest(sample_id=sample_id, entries=entries), pb.Sample)


def drawn(world: Field, sample_id: str) -> set[str]:
    world.call(pb.DrawSampleRequest(sample_id=sample_id), pb.Sample)
    request = pb.ListFrameEntriesRequest(sample_id=sample_id, selected=True, page_size=500)
    return {each.customer_id for each in world.call(request, pb.ListFrameEntriesResponse).entries}


def customer(world: Field, **fields: Any) -> str:
    told = customer_pb2.Customer(id=identity.new_id("cus"), revision=1, **fields)
    world.hear(profiles.CustomerCreated(customer=told), entity_id=told.id)
    return told.id


def reasons(world: Field, survey_id: str, customer_id: str, **fields: Any) -> list[str]:
    request = pb.CheckEligibilityRequest(survey_id=survey_id, customer_id=customer_id, **fields)
    found = world.call(request, pb.Eligibility)
    assert found.eligible is not bool(found.reasons)
    return [pb.Reason.Name(each).removeprefix("REASON_") for each in found.reasons]


def test_the_seed_reproduces_a_draw_and_every_chance_is_kept(world: Field, survey: questionnaires_pb2.Survey) -> None:
    samples = [sample(world, survey.id) for _ in range(2)]
    for each, people in zip(samples, (PEOPLE, PEOPLE[::-1]), strict=True):
        assert framed(world, each.id, people).frame_size == 40
        framed(world, each.id, people[:5])
    chosen = [drawn(world, each.id) for each in samples]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 10
    page = world.call(pb.ListFrameEntriesRequest(sample_id=samples[0].id, page_size=100), pb.ListFrameEntriesResponse)
    assert [each.probability for each in page.entries] == [0.25] * 40
    again = refusal(world, pb.DrawSampleRequest(sample_id=samples[0].id))
    assert (again.reason_code, again.metadata["seed"]) == ("FRAME_ALREADY_DRAWN", "7")


def test_a_stratified_draw_covers_every_stratum(world: Field, survey: questionnaires_pb2.Survey) -> None:
    strata = [{"key": "A", "deviation": 3.0}, {"key": "B", "deviation": 1.0}]
    made = sample(world, survey.id, method="DESIGN_METHOD_STRATIFIED", allocation="ALLOCATION_NEYMAN", strata=strata)
    framed(world, made.id, PEOPLE[:20], stratum="A")
    framed(world, made.id, PEOPLE[20:], stratum="B")
    done = world.call(pb.DrawSampleRequest(sample_id=made.id), pb.Sample)
    assert [(each.key, each.frame_size, each.sample_size) for each in done.strata] == [("A", 20, 8), ("B", 20, 2)]


def test_bad_frames_are_refused(world: Field, survey: questionnaires_pb2.Survey) -> None:
    small = sample(world, survey.id, sample_size=41)
    framed(world, small.id)
    error = refusal(world, pb.DrawSampleRequest(sample_id=small.id))
    assert (error.reason_code, error.metadata["frame_size"]) == ("FRAME_TOO_SMALL", "40")
    strata = sample(world, survey.id, method="DESIGN_METHOD_STRATIFIED", strata=[{"key": "A"}])
    framed(world, strata.id, stratum="B")
    error = refusal(world, pb.DrawSampleRequest(sample_id=strata.id))
    assert (error.reason_code, error.metadata["stratum"]) == ("STRATUM_MISSING", "B")
    assert refusal(world, pb.InviteSampleRequest(sample_id=small.id)).reason_code == "NOT_DRAWN"


def test_a_sample_is_asked_once_each(world: Field, survey: questionnaires_pb2.Survey) -> None:
    made = sample(world, survey.id)
    framed(world, made.id)
    drawn(world, made.id)
    first = world.call(pb.InviteSampleRequest(sample_id=made.id, channel="EMAIL"), pb.Invited)
    assert (first.requested, first.done) == (10, True)
    again = world.call(pb.InviteSampleRequest(sample_id=made.id, channel="EMAIL"), pb.Invited)
    assert (again.requested, again.done) == (0, True)
    assert world.events().count("invitation.requested") == 10
    one = world.store.sampling.list(f'survey_id = "{survey.id}"', PageRequest(size=1)).items[0]
    sheet = started(world, one.survey_token).sheet
    assert sheet.weight == 4.0


def test_every_reason_against_asking_is_told(world: Field) -> None:
    draft = world.call(
        questionnaires_pb2.CreateSurveyRequest(survey=drafted(consent_required=True)), questionnaires_pb2.Survey
    )
    child = customer(
        world,
        labels={"employee": "true"},
        dates=[{"kind": "KIND_BIRTH", "year": 2010, "month": 3, "day": 2}],
    )
    told = {"open_complaint": True, "window_close_time": NOW - DAY}
    assert reasons(world, draft.id, child, circumstances=told) == [
        "NOT_IN_FIELD",
        "NO_CONSENT",
        "OPEN_COMPLAINT",
        "EMPLOYEE",
        "MINOR",
        "WINDOW_CLOSED",
    ]
    world.clock.at = NOW.replace(year=2028)
    assert "MINOR" not in reasons(world, draft.id, child)
    assert date(2028, 3, 2) == world.clock.at.date()


@pytest.mark.parametrize(
    ("state", "channel", "asked"),
    [("STATE_GRANTED", 2, True), ("STATE_DENIED", 2, False), ("STATE_WITHDRAWN", 0, False), ("STATE_DENIED", 1, True)],
)
def test_the_decision_of_the_customer_about_the_channel_holds(
    world: Field, survey: questionnaires_pb2.Survey, state: str, channel: int, asked: bool
) -> None:
    decision = {"purpose": "PURPOSE_SURVEY", "channel": channel, "state": state}
    someone = customer(world, consent={"decisions": [decision]})
    assert (reasons(world, survey.id, someone, channel="EMAIL") == []) is asked


def test_fatigue_counts_invitations_over_all_surveys(world: Field, survey: questionnaires_pb2.Survey) -> None:
    other = world.call(questionnaires_pb2.CreateSurveyRequest(survey=drafted()), questionnaires_pb2.Survey)
    world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=other.id), questionnaires_pb2.Survey)
    someone = customer(world)
    assert invited(world, other.id, customer_id=someone).state == pb.INVITATION_STATE_REQUESTED
    withheld = invited(world, survey.id, customer_id=someone)
    assert (withheld.state, list(withheld.reasons)) == (pb.INVITATION_STATE_INELIGIBLE, [pb.REASON_FATIGUE])
    world.clock.advance(31 * DAY)
    assert invited(world, survey.id, customer_id=someone).state == pb.INVITATION_STATE_REQUESTED
    rule = pb.FatigueRule(invitations_max=1, period=timedelta(days=365))
    world.call(pb.SetFatigueRuleRequest(rule=rule), pb.FatigueRule)
    world.clock.advance(31 * DAY)
    assert reasons(world, other.id, someone, cause_ref="case-9") == ["FATIGUE"]


def test_one_invitation_of_each_survey_and_cause(world: Field, survey: questionnaires_pb2.Survey) -> None:
    world.call(
        pb.SetFatigueRuleRequest(rule=pb.FatigueRule(invitations_max=100, period=DAY, gap=timedelta(0))), pb.FatigueRule
    )
    someone = customer(world)
    first, repeat, other = (
        invited(world, survey.id, customer_id=someone, cause_ref=cause) for cause in ("case-1", "case-1", "case-2")
    )
    assert first == repeat
    assert other.id != first.id
    assert reasons(world, survey.id, someone, cause_ref="case-1") == ["ALREADY_INVITED"]


def test_events_are_sampled_at_their_rate_and_always_alike(world: Field) -> None:
    rated = drafted(design="DESIGN_METHOD_TRIGGERED", sampling_basis_points=2500)
    made = world.call(questionnaires_pb2.CreateSurveyRequest(survey=rated), questionnaires_pb2.Survey)
    world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=made.id), questionnaires_pb2.Survey)
    found = [reasons(world, made.id, identity.derived_id("cus", str(n)), cause_ref=f"call-{n}") for n in range(400)]
    assert 60 <= found.count([]) <= 140
    assert found[:20] == [
        reasons(world, made.id, identity.derived_id("cus", str(n)), cause_ref=f"call-{n}") for n in range(20)
    ]


def test_two_reminders_at_most_and_not_too_soon(world: Field, survey: questionnaires_pb2.Survey) -> None:
    invitation = invited(world, survey.id)
    request = pb.RemindCustomerRequest(invitation_id=invitation.id)
    assert refusal(world, request).reason_code == "REMINDER_TOO_SOON"
    for _ in range(2):
        world.clock.advance(4 * DAY)
        world.call(request, pb.Invitation)
    world.clock.advance(4 * DAY)
    assert refusal(world, request).reason_code == "REMINDERS_EXHAUSTED"
    world.call(pb.RecordDeliveryRequest(invitation_id=invitation.id, outcome="INVITATION_STATE_BOUNCED"), pb.Invitation)
    assert refusal(world, request).reason_code == "INVITATION_ENDED"


def test_what_nobody_followed_in_time_expires(world: Field, survey: questionnaires_pb2.Survey) -> None:
    invitation = invited(world, survey.id)
    world.clock.advance(31 * DAY)
    assert world.tick("invitations") == 1
    assert str(world.store.sampling.invitations.get(invitation.id).state) == "EXPIRED"


def test_a_merge_keeps_the_invitation_that_was_started(world: Field, survey: questionnaires_pb2.Survey) -> None:
    survivor, absorbed = customer(world), customer(world)
    unopened, begun = (invited(world, survey.id, customer_id=each) for each in (survivor, absorbed))
    started(world, token_of(world, begun))
    after = customer_pb2.Customer(id=survivor, revision=2, merged_ids=[absorbed])
    alias = {"customer_id": absorbed, "canonical_id": survivor, "epoch": 1}
    world.hear(profiles.CustomersMerged(customer=after, aliases=[alias]), entity_id=survivor, revision=2)
    states = [str(world.store.sampling.invitations.get(each.id).state) for each in (unopened, begun)]
    assert states == ["SUPERSEDED", "STARTED"]


def test_an_erasure_leaves_states_and_takes_the_way_in(world: Field, survey: questionnaires_pb2.Survey) -> None:
    someone = customer(world)
    invitation = invited(world, survey.id, customer_id=someone, labels={"tier": "A"})
    survey_token = token_of(world, invitation)
    sheet = started(world, survey_token).sheet
    saved(world, sheet.id, nps=2, why="secret words")
    done = completed(world, sheet.id)
    asked = profiles.CustomerErasureRequested(erasure_id=identity.new_id("era"), customer_id=someone)
    world.hear(asked, entity_id=someone, revision=2)
    world.tick("erasures")
    left = world.store.collection.responses.get(done.id)
    assert (dict(left.answers), dict(left.labels), left.seconds) == ({}, {}, 0)
    assert world.store.sampling.invitations.get(invitation.id).token_hash == ""
    error = refusal(world, collection_pb2.StartResponseRequest(survey_token=survey_token))
    assert error.reason_code == "SURVEY_TOKEN_UNKNOWN"
    late = pb.InviteCustomerRequest(invitation=pb.Invitation(survey_id=survey.id, customer_id=someone, cause_ref="x"))
    assert refusal(world, late).reason_code == "CUSTOMER_ERASED"


def test_a_margin_tells_how_many_to_ask(world: Field) -> None:
    found = world.call(pb.PlanSampleSizeRequest(margin=0.05, frame_size=500, response_rate=0.25), pb.Plan)
    assert (found.answers, found.invitations) == (218, 872)


def test_a_link_leads_to_the_sheet_of_its_customer(world: Field, survey: questionnaires_pb2.Survey) -> None:
    one, other = link(world, survey.id), link(world, survey.id)
    assert one != other
    assert started(world, one).sheet.id != started(world, other).sheet.id


@pytest.mark.parametrize(
    ("outcome", "against", "fate"),
    [
        ("OUTCOME_SENT", [], ("INVITATION_STATE_SENT", [])),
        ("OUTCOME_FAILED", [], ("INVITATION_STATE_BOUNCED", [])),
        ("OUTCOME_SUPPRESSED", ["REASON_PRESSURE", "REASON_CONSENT_REFUSED"], ("INVITATION_STATE_INELIGIBLE", [4, 3])),
        ("OUTCOME_SUPPRESSED", ["REASON_NO_PLAN"], ("INVITATION_STATE_INELIGIBLE", [12])),
        ("OUTCOME_LAPSED", ["REASON_TOO_LATE"], ("INVITATION_STATE_INELIGIBLE", [9])),
    ],
)
def test_an_invitation_follows_the_answer_of_whoever_sends_it(
    world: Field, survey: questionnaires_pb2.Survey, outcome: str, against: list[str], fate: tuple[str, list[int]]
) -> None:
    state, expected = fate
    invited = world.call(
        pb.InviteCustomerRequest(invitation={"survey_id": survey.id, "customer_id": PEOPLE[0]}), pb.Invitation
    )
    answer = care.RequestAnswered(request_ref=invited.id, outcome=outcome, reasons=against)
    for revision in (1, 2):
        world.hear(answer, entity_id=identity.new_id("tch"), revision=revision)
    found = world.call(pb.GetInvitationRequest(invitation_id=invited.id), pb.Invitation)
    assert pb.InvitationState.Name(found.state) == state
    assert list(found.reasons) == expected
    foreign = care.RequestAnswered(request_ref=identity.new_id("inv"), outcome=outcome)
    world.hear(foreign, entity_id=identity.new_id("tch"))
