"""Scores through the API: counted as responses come, pooled, weighted, suppressed, and broken at changed words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.surveys.v1 import questionnaires_pb2, sampling_pb2
from kehu.surveys.v1 import results_pb2 as pb

from libs.chassis import identity
from tests.unit.surveys.builders import completed, imported, invited, link, refusal, saved, started, token_of
from tests.unit.surveys.conftest import ITEMS, NOW, Field, asked, drafted

ROWS: list[dict[str, Any]] = [
    *[{"source_key": f"a{n}", "answers": {"nps": 10}, "labels": {"tier": "A"}, "stratum": "north"} for n in range(30)],
    *[{"source_key": f"b{n}", "answers": {"nps": 0}, "labels": {"tier": "B"}, "stratum": "south"} for n in range(10)],
    *[{"source_key": f"c{n}", "answers": {"nps": 10}, "labels": {"tier": "C"}, "stratum": "south"} for n in range(3)],
]


@pytest.fixture
def counted(world: Field, survey: questionnaires_pb2.Survey) -> questionnaires_pb2.Survey:
    imported(world, survey.id, *ROWS)
    world.deliver()
    return survey


def score(world: Field, survey_id: str, **fields: Any) -> pb.Score:
    told = {"item": "nps", "metric": "METRIC_NPS", **fields}
    return world.call(pb.GetScoreRequest(survey_id=survey_id, **told), pb.Score)


def test_responses_that_are_imported_again_later_count_once(world: Field, counted: questionnaires_pb2.Survey) -> None:
    world.clock.advance(timedelta(days=1))
    again = imported(world, counted.id, *ROWS)
    assert {(each.created, each.error.code) for each in again.outcomes} == {(False, 0)}
    world.deliver()
    assert score(world, counted.id).base == len(ROWS)


def test_t31_a_score_pools_counts_and_is_no_mean_of_scores(world: Field, counted: questionnaires_pb2.Survey) -> None:
    whole = score(world, counted.id)
    assert (whole.base, round(whole.estimate.value, 4)) == (43, round(100 * (33 - 10) / 43, 4))
    parts = [score(world, counted.id, dimension="tier", group=group).estimate.value for group in ("A", "B")]
    assert parts == [100.0, -100.0]
    assert whole.estimate.lower < whole.estimate.value < whole.estimate.upper


def test_t30_a_cell_of_three_people_is_not_shown(world: Field, counted: questionnaires_pb2.Survey) -> None:
    small = score(world, counted.id, dimension="tier", group="C")
    assert (small.base, small.suppressed_below, small.HasField("estimate")) == (3, 5, False)
    request = pb.CompareGroupsRequest(
        survey_id=counted.id, item="nps", metric="METRIC_NPS", dimension="tier", first_group="A", second_group="C"
    )
    beside = world.call(request, pb.GroupComparison)
    assert beside.first.HasField("estimate")
    assert not beside.HasField("difference")


def test_a_score_below_its_base_says_what_it_needs(world: Field, survey: questionnaires_pb2.Survey) -> None:
    imported(world, survey.id, *ROWS[:29])
    world.deliver()
    few = score(world, survey.id)
    assert (few.base, few.suppressed_below, few.HasField("estimate")) == (29, 30, False)


def test_groups_are_compared_with_an_interval(world: Field, counted: questionnaires_pb2.Survey) -> None:
    request = pb.CompareGroupsRequest(
        survey_id=counted.id, item="nps", metric="METRIC_NPS", dimension="tier", first_group="A", second_group="B"
    )
    found = world.call(request, pb.GroupComparison)
    assert found.significant
    assert found.difference.value == 200.0
    assert found.difference.lower > 0


def test_strata_count_as_they_do_among_customers(world: Field, counted: questionnaires_pb2.Survey) -> None:
    sizes = [{"stratum": "north", "customers": 100}, {"stratum": "south", "customers": 100}]
    found = score(world, counted.id, weighting="WEIGHTING_POST_STRATIFIED", strata=sizes)
    south = 100 * (3 - 10) / 13
    assert round(found.estimate.value, 6) == round((100 + south) / 2, 6)
    assert found.effective_base < found.base
    error = refusal(
        world,
        pb.GetScoreRequest(
            survey_id=counted.id,
            item="nps",
            metric="METRIC_NPS",
            weighting="WEIGHTING_POST_STRATIFIED",
            strata=[*sizes, {"stratum": "west", "customers": 5}],
        ),
    )
    assert (error.reason_code, error.metadata["stratum"]) == ("STRATUM_UNCOVERED", "west")
    error = refusal(
        world,
        pb.GetScoreRequest(
            survey_id=counted.id,
            item="nps",
            metric="METRIC_NPS",
            weighting="WEIGHTING_POST_STRATIFIED",
            strata=sizes[:1],
        ),
    )
    assert "south" in error.message


def test_a_tiny_stratum_does_not_explode_a_score(world: Field, counted: questionnaires_pb2.Survey) -> None:
    sizes = [{"stratum": "north", "customers": 10}, {"stratum": "south", "customers": 1_000_000}]
    found = score(world, counted.id, weighting="WEIGHTING_POST_STRATIFIED", strata=sizes)
    assert found.effective_base > 5


def test_t32_a_trend_breaks_at_changed_words(world: Field, survey: questionnaires_pb2.Survey) -> None:
    def month(key: str, number: int) -> None:
        rows = [
            {"source_key": f"{key}{n}", "answers": {"nps": number}, "complete_time": world.clock.at} for n in range(30)
        ]
        imported(world, survey.id, *rows)
        world.deliver()

    month("a", 10)
    world.clock.advance(timedelta(days=31))
    reworded = [{**ITEMS[0], "texts": {"en": "Would you?", "zh": "会吗？"}}, ITEMS[1]]
    changed = drafted(id=survey.id, questionnaire=asked(items=reworded))
    world.call(questionnaires_pb2.RedefineSurveyRequest(survey=changed), questionnaires_pb2.Survey)
    month("b", 0)
    request = pb.GetTrendRequest(survey_id=survey.id, item="nps", metric="METRIC_NPS")
    points = world.call(request, pb.GetTrendResponse).points
    assert [(each.month, each.wording, each.breaks) for each in points] == [
        ("2026-03", 1, False),
        ("2026-04", 2, True),
    ]
    assert [each.score.estimate.value for each in points] == [100.0, -100.0]
    assert score(world, survey.id).base == 30, "answers to other words are not pooled"
    mapped = drafted(id=survey.id, questionnaire=asked(items=ITEMS, equivalent_items=["nps"]))
    world.call(questionnaires_pb2.RedefineSurveyRequest(survey=mapped), questionnaires_pb2.Survey)
    world.clock.advance(timedelta(days=31))
    month("c", 10)
    assert score(world, survey.id).base == 60
    points = world.call(request, pb.GetTrendResponse).points
    assert [each.breaks for each in points] == [False, True, False]


def test_a_score_needs_an_item_on_its_scale(world: Field, survey: questionnaires_pb2.Survey) -> None:
    error = refusal(world, pb.GetScoreRequest(survey_id=survey.id, item="why", metric="METRIC_NPS"))
    assert (error.reason_code, error.metadata["needed"]) == ("METRIC_UNFIT", "NPS_0_10")


def test_a_response_that_is_heard_twice_counts_once_in_its_cell(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    sheet = started(world, link(world, survey.id)).sheet
    saved(world, sheet.id, nps=9)
    completed(world, sheet.id)
    world.deliver()
    world.deliver()
    assert score(world, survey.id).base == 1


def test_texts_are_coded_by_two(world: Field, survey: questionnaires_pb2.Survey) -> None:
    rows = [{"answers": {"nps": 3, "why": text}} for text in ("slow", "rude", "slow and rude", "fine")]
    ids = [each.id for each in imported(world, survey.id, *rows).outcomes]
    frame = pb.SetCodingFrameRequest(survey_id=survey.id, item="why", labels=["slow", "rude"])
    world.call(frame, pb.CodingFrame)

    def code(actor: str, *labels: list[str]) -> None:
        codes = [{"response_id": id, "labels": each} for id, each in zip(ids, labels, strict=True)]
        request = pb.CodeTextsRequest(survey_id=survey.id, item="why", codes=codes)
        world.call(request, pb.CodeTextsResponse, actor=actor)

    code("ann", ["slow"], ["rude"], ["slow", "rude"], [])
    alone = refusal(world, pb.GetAgreementRequest(survey_id=survey.id, item="why"))
    assert (alone.reason_code, alone.metadata["coders"]) == ("SECOND_CODER_NEEDED", "ann")
    code("bob", ["slow"], ["rude"], ["slow"], [])
    found = world.call(pb.GetAgreementRequest(survey_id=survey.id, item="why"), pb.Agreement)
    assert (found.texts, [each.label for each in found.labels]) == (4, ["slow", "rude"])
    assert (found.labels[0].kappa, found.labels[1].kappa) == (1.0, 0.5)
    assert found.labels[0].share.value == 0.5
    strange = pb.CodeTextsRequest(survey_id=survey.id, item="why", codes=[{"response_id": ids[0], "labels": ["ugly"]}])
    assert refusal(world, strange).reason_code == "LABEL_UNKNOWN"


def test_a_bounced_invitation_is_no_unanswered_one(world: Field, survey: questionnaires_pb2.Survey) -> None:
    invitations = [invited(world, survey.id, customer_id=identity.new_id("cus")) for _ in range(4)]
    sheet = started(world, token_of(world, invitations[0])).sheet
    saved(world, sheet.id, nps=9)
    completed(world, sheet.id)
    bounced = sampling_pb2.RecordDeliveryRequest(invitation_id=invitations[1].id, outcome="INVITATION_STATE_BOUNCED")
    world.call(bounced, sampling_pb2.Invitation)
    found = world.call(pb.GetResponseRateRequest(survey_id=survey.id), pb.ResponseRate)
    assert (found.reached, found.answered, dict(found.states)) == (
        3,
        1,
        {"COMPLETED": 1, "BOUNCED": 1, "REQUESTED": 2},
    )


def test_silent_sufferers_are_estimated_with_their_interval(world: Field) -> None:
    def choice(key: str, *options: str) -> dict[str, Any]:
        texts = {"en": key, "zh": key}
        return {
            "key": key,
            "type": "ITEM_TYPE_SINGLE",
            "texts": texts,
            "options": [{"key": each, "texts": texts} for each in options],
        }

    items = [choice(key, "yes", "no") for key in ("problem", "told", "again")]
    made = world.call(
        questionnaires_pb2.CreateSurveyRequest(survey=drafted(questionnaire=asked(items=items))),
        questionnaires_pb2.Survey,
    )
    world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=made.id), questionnaires_pb2.Survey)
    rows = [
        *[{"answers": {"problem": ["no"], "again": ["yes"]}}] * 88,
        *[{"answers": {"problem": ["yes"], "told": ["yes"], "again": ["yes"]}}] * 9,
        *[{"answers": {"problem": ["yes"], "told": ["no"], "again": ["no"]}}] * 3,
    ]
    imported(world, made.id, *rows)
    items_told = {"problem": "problem", "told_us": "told", "buys_again": "again", "yes": "yes"}
    request = pb.EstimateSilentSufferersRequest(survey_id=made.id, items=items_told, base=10_000, customer_worth=100)
    found = world.call(request, pb.Silence)
    assert (found.problem_rate.value, found.silent_rate.value, round(found.people.value)) == (0.12, 0.25, 300)
    assert found.people.lower < 300 < found.people.upper
    assert round(found.revenue_at_risk.value) == 30_000
    assert world.clock.at == NOW
