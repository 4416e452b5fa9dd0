"""Surveys through their API: drafts, launches, versions that never change, and the trend of each item."""

from __future__ import annotations

from typing import Any

import pytest
from kehu.surveys.v1 import questionnaires_pb2 as pb

from libs.chassis.domain import DomainError, InvalidArgument
from tests.unit.surveys.conftest import ITEMS, Field, asked, drafted

REWORDED: list[Any] = [
    {**ITEMS[0], "texts": {"en": "Would you recommend us to a friend?", "zh": "会推荐吗？"}},
    ITEMS[1],
]


def refusal(world: Field, request: Any) -> DomainError:
    with pytest.raises(DomainError) as refused:
        world.call(request, pb.Survey)
    return refused.value


def redefined(world: Field, survey: pb.Survey, **fields: Any) -> pb.Survey:
    return world.call(pb.RedefineSurveyRequest(survey=drafted(id=survey.id, **fields)), pb.Survey)


def test_a_survey_on_its_way(world: Field, draft: pb.Survey) -> None:
    assert (draft.version, draft.wave, draft.score_base_min, draft.cell_base_min) == (0, 0, 30, 5)
    steps: list[Any] = [
        pb.LaunchSurveyRequest(survey_id=draft.id, pilot=True),
        pb.LaunchSurveyRequest(survey_id=draft.id),
        pb.PauseSurveyRequest(survey_id=draft.id),
        pb.ResumeSurveyRequest(survey_id=draft.id),
        pb.CloseFieldRequest(survey_id=draft.id),
        pb.ConfirmAnalysisRequest(survey_id=draft.id),
    ]
    states = [world.call(step, pb.Survey).state for step in steps]
    words = [pb.SurveyState.Name(each).removeprefix("SURVEY_STATE_") for each in states]
    assert words == ["PILOT", "LIVE", "PAUSED", "LIVE", "FIELD_CLOSED", "ANALYSED"]
    assert world.events() == ["survey.created", "survey.launched", "survey.launched", *["survey.state_changed"] * 4]


def test_a_step_out_of_order_names_the_states_that_would_do(world: Field, draft: pb.Survey) -> None:
    error = refusal(world, pb.CloseFieldRequest(survey_id=draft.id))
    assert (error.reason_code, error.metadata["state"], error.metadata["allowed"]) == (
        "SURVEY_STATE_FORBIDS",
        "DRAFT",
        "PILOT, LIVE, PAUSED",
    )


def test_a_launch_needs_a_design_and_an_owner(world: Field) -> None:
    bare = world.call(pb.CreateSurveyRequest(survey=drafted(owner="", design="DESIGN_METHOD_UNSPECIFIED")), pb.Survey)
    error = refusal(world, pb.LaunchSurveyRequest(survey_id=bare.id))
    assert (error.reason_code, error.metadata["missing"]) == ("LAUNCH_INCOMPLETE", "design, owner")


def test_a_draft_is_written_anew_and_what_was_launched_gets_versions(world: Field, draft: pb.Survey) -> None:
    assert redefined(world, draft, questionnaire=asked(items=REWORDED)).version == 0
    launched = world.call(pb.LaunchSurveyRequest(survey_id=draft.id), pb.Survey)
    assert launched.version == 1
    again = redefined(world, launched)
    assert again.version == 2
    first, second = (
        world.call(pb.GetSurveyVersionRequest(survey_id=draft.id, number=number), pb.SurveyVersion) for number in (1, 2)
    )
    assert first.questionnaire.items[0].texts["en"] == "Would you recommend us to a friend?"
    assert second.questionnaire.items[0].texts["en"] == "Recommend us?"
    assert redefined(world, again, goals="more").version == 2


@pytest.mark.parametrize(("equivalent", "since"), [((), 2), (("nps",), 1)])
def test_changed_words_break_a_trend_unless_declared_equivalent(
    world: Field, survey: pb.Survey, equivalent: tuple[str, ...], since: int
) -> None:
    redefined(world, survey, questionnaire=asked(items=REWORDED, equivalent_items=equivalent))
    version = world.call(pb.GetSurveyVersionRequest(survey_id=survey.id, number=2), pb.SurveyVersion)
    assert dict(version.wordings) == {"nps": since, "why": 1}


def test_everything_wrong_with_a_questionnaire_is_told_at_once(world: Field) -> None:
    broken = asked(
        items=[ITEMS[0], {**ITEMS[1], "asked_when": [{"item": "who", "comparison": "COMPARISON_ANSWERED"}]}],
        equivalent_items=["gone"],
    )
    found = world.call(pb.ValidateQuestionnaireRequest(questionnaire=broken), pb.ValidateQuestionnaireResponse)
    assert [each.field for each in found.violations] == ["items[1].asked_when[0].item", "equivalent_items"]
    error = refusal(world, pb.CreateSurveyRequest(survey=drafted(questionnaire=broken)))
    assert isinstance(error, InvalidArgument)
    assert [each.field for each in error.violations] == [
        "survey.questionnaire.items[1].asked_when[0].item",
        "survey.questionnaire.equivalent_items",
    ]


def test_an_alert_looks_at_an_item_with_a_number(world: Field) -> None:
    error = refusal(world, pb.CreateSurveyRequest(survey=drafted(alert_policy={"item": "why"})))
    assert isinstance(error, InvalidArgument)
    assert [each.field for each in error.violations] == ["survey.alert_policy.item"]


def test_what_respondents_were_told_stays(world: Field, survey: pb.Survey) -> None:
    request = pb.RedefineSurveyRequest(survey=drafted(id=survey.id, anonymity="ANONYMITY_ANONYMOUS"))
    assert refusal(world, request).reason_code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(("score", "shown", "next_item"), [(5, ["nps", "why"], "why"), (9, ["nps"], "")])
def test_the_route_can_be_tried_before_anybody_is_asked(
    world: Field, score: int, shown: list[str], next_item: str
) -> None:
    route = world.call(
        pb.PreviewRouteRequest(questionnaire=asked(), answers={"nps": pb.Answer(number=score)}), pb.Route
    )
    assert (list(route.shown), route.next) == (shown, next_item)
