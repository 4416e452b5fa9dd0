"""The loop through the API: alert, settlement, finding, action, the next wave, and a survey that is closed at last."""

from __future__ import annotations

from typing import Any

import pytest
from kehu.interactions.v1 import cases_pb2
from kehu.interactions.v1 import events_pb2 as interactions
from kehu.surveys.v1 import loop_pb2 as pb
from kehu.surveys.v1 import questionnaires_pb2

from tests.unit.surveys.builders import completed, link, refusal, saved, started
from tests.unit.surveys.conftest import Field, drafted

POLICY = {"item": "nps", "at_most": 6, "safety_words": ["fire"]}


def launched(world: Field, **fields: Any) -> questionnaires_pb2.Survey:
    request = questionnaires_pb2.CreateSurveyRequest(survey=drafted(alert_policy=POLICY, **fields))
    made = world.call(request, questionnaires_pb2.Survey)
    return world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=made.id), questionnaires_pb2.Survey)


def answered(world: Field, survey_id: str, **answers: Any) -> None:
    sheet = started(world, link(world, survey_id)).sheet
    saved(world, sheet.id, **answers)
    completed(world, sheet.id)
    world.deliver()


def alerts(world: Field, survey_id: str) -> list[pb.Alert]:
    request = pb.ListAlertsRequest(filter=f'survey_id = "{survey_id}"')
    return list(world.call(request, pb.ListAlertsResponse).alerts)


def test_the_loop_from_an_alert_to_a_closed_survey(world: Field) -> None:
    survey = launched(world)
    answered(world, survey.id, nps=2, why="slow")
    [alert] = alerts(world, survey.id)
    assert (alert.kind, alert.number, alert.words, alert.owner) == (pb.ALERT_KIND_DETRACTOR, 2, "slow", "ann")
    assert "alert.raised" in world.events()
    for request in (questionnaires_pb2.CloseFieldRequest, questionnaires_pb2.ConfirmAnalysisRequest):
        world.call(request(survey_id=survey.id), questionnaires_pb2.Survey)  # type: ignore[operator]
    world.call(pb.ShareResultsRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    early = refusal(world, pb.CloseSurveyRequest(survey_id=survey.id))
    assert early.reason_code == "LOOP_OPEN"
    assert early.metadata["missing"] == "respondents were not thanked, 1 alerts are not settled"
    world.call(pb.RecordThanksRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    settle = pb.SettleAlertRequest(alert_id=alert.id, outcome="ALERT_OUTCOME_SOLVED", case_id="case_1")
    world.call(settle, pb.Alert)
    assert refusal(world, settle).reason_code == "ALERT_SETTLED"
    found = world.call(pb.GetLoopStatusRequest(survey_id=survey.id), pb.LoopStatus)
    assert (found.alerts, found.settled, found.closure_rate.value, list(found.missing)) == (1, 1, 1.0, [])
    closed = world.call(pb.CloseSurveyRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    assert closed.state == questionnaires_pb2.SURVEY_STATE_CLOSED


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"nps": 9}, None),
        ({"nps": 7}, None),
        ({"nps": 6, "why": "x"}, pb.ALERT_KIND_DETRACTOR),
        ({"nps": 5, "why": "there was a FIRE"}, pb.ALERT_KIND_SAFETY),
    ],
)
def test_a_low_answer_or_a_word_of_danger_raises_an_alert(
    world: Field, answers: dict[str, Any], kind: int | None
) -> None:
    survey = launched(world)
    answered(world, survey.id, **answers)
    assert [each.kind for each in alerts(world, survey.id)] == ([kind] if kind is not None else [])


def test_nobody_is_sought_behind_an_anonymous_response(world: Field) -> None:
    survey = launched(world, anonymity="ANONYMITY_ANONYMOUS")
    answered(world, survey.id, nps=0, why="fire")
    assert alerts(world, survey.id) == []


def test_an_action_is_verified_in_a_later_wave(world: Field) -> None:
    survey = launched(world)
    draft = pb.Finding(survey_id=survey.id, text="You wait too long.", item="why")
    finding = world.call(pb.CreateFindingRequest(finding=draft), pb.Finding)
    plan = pb.PlanActionRequest(finding_id=finding.id, action="Two more agents in the evening.")
    assert world.call(plan, pb.Finding).owner == "ada"
    world.call(pb.FinishActionRequest(finding_id=finding.id), pb.Finding)
    verify = pb.VerifyActionRequest(finding_id=finding.id, confirmed=True)
    early = refusal(world, verify)
    assert (early.reason_code, early.metadata["wave"]) == ("VERIFIED_TOO_EARLY", "1")
    for request in (questionnaires_pb2.CloseFieldRequest, questionnaires_pb2.ConfirmAnalysisRequest):
        world.call(request(survey_id=survey.id), questionnaires_pb2.Survey)  # type: ignore[operator]
    world.call(pb.ShareResultsRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    next_wave = world.call(questionnaires_pb2.StartWaveRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    assert (next_wave.wave, next_wave.state) == (2, questionnaires_pb2.SURVEY_STATE_LIVE)
    done = world.call(verify, pb.Finding)
    assert (done.state, done.verified_wave) == (pb.FINDING_STATE_VERIFIED, 2)
    page = world.call(pb.ListFindingsRequest(survey_id=survey.id), pb.ListFindingsResponse)
    assert [(each.text, each.action) for each in page.findings] == [
        ("You wait too long.", "Two more agents in the evening.")
    ]


def case(alert: pb.Alert) -> cases_pb2.Case:
    link = cases_pb2.Case().links.add(kind="alert", id=alert.id)
    return cases_pb2.Case(id="case_01", links=[link])


def test_an_alert_is_settled_by_the_case_that_answers_it(world: Field) -> None:
    survey = launched(world)
    answered(world, survey.id, nps=2, why="slow")
    [alert] = alerts(world, survey.id)
    for revision in (2, 3):
        world.hear(interactions.CaseResolved(case=case(alert)), entity_id="case_01", revision=revision)
    [settled] = alerts(world, survey.id)
    assert (settled.outcome, settled.case_id) == (pb.ALERT_OUTCOME_SOLVED, "case_01")
    world.hear(interactions.CaseCancelled(case=case(alert)), entity_id="case_01", revision=4)
    assert alerts(world, survey.id)[0].outcome == pb.ALERT_OUTCOME_SOLVED, "settled once"
    assert world.events().count("alert.handled") == 1


def test_a_case_about_another_alert_settles_none(world: Field) -> None:
    survey = launched(world)
    answered(world, survey.id, nps=2, why=None)
    other = pb.Alert(id="alr_01jd5w3k8e7r9s2t4v6x8y0z1a")
    world.hear(interactions.CaseResolved(case=case(other)), entity_id="case_01")
    assert alerts(world, survey.id)[0].outcome == pb.ALERT_OUTCOME_UNSPECIFIED
