"""Responses on every mode: links, devices, quotas, papers, imports, and those of which nothing is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.surveys.v1 import collection_pb2 as pb
from kehu.surveys.v1 import questionnaires_pb2, sampling_pb2

from libs.chassis import identity
from libs.chassis.paging import PageRequest
from services.surveys.collection.application.responses import Respondents
from services.surveys.collection.domain.sheets import ItemAnswer
from services.surveys.questionnaires.domain.answers import Answer
from tests.unit.surveys.builders import answer, completed, imported, invited, link, refusal, saved, started, token_of
from tests.unit.surveys.conftest import ITEMS, NOW, Field, asked, drafted

DAY = timedelta(days=1)


def launched(world: Field, **fields: Any) -> questionnaires_pb2.Survey:
    made = world.call(questionnaires_pb2.CreateSurveyRequest(survey=drafted(**fields)), questionnaires_pb2.Survey)
    return world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=made.id), questionnaires_pb2.Survey)


def response(world: Field, survey_token: str, **answers: Any) -> pb.Response:
    sheet = started(world, survey_token).sheet
    saved(world, sheet.id, **answers)
    return completed(world, sheet.id)


def test_a_response_from_the_link_to_the_end(world: Field, survey: questionnaires_pb2.Survey) -> None:
    invitation = invited(world, survey.id, language="zh", labels={"tier": "A"})
    survey_token = token_of(world, invitation)
    visit = world.call(pb.VisitLinkRequest(survey_token=survey_token), pb.Visit)
    assert (visit.survey_id, visit.language, visit.started) == (survey.id, "zh", False)
    begun = started(world, survey_token)
    assert (begun.next, list(begun.shown), begun.sheet.language) == ("nps", ["nps"], "zh")
    going = saved(world, begun.sheet.id, nps=5)
    assert (going.next, list(going.shown)) == ("why", ["nps", "why"])
    world.clock.advance(timedelta(seconds=40))
    saved(world, begun.sheet.id, why="slow")
    done = completed(world, begun.sheet.id)
    assert (done.answers["nps"].number, done.answers["why"].text, done.seconds) == (5, "slow", 40)
    assert (done.customer_id, done.invitation_id, dict(done.labels)) == (
        invitation.customer_id,
        invitation.id,
        {"tier": "A"},
    )
    told = world.call(sampling_pb2.GetInvitationRequest(invitation_id=invitation.id), sampling_pb2.Invitation)
    assert (told.state, told.response_id) == (sampling_pb2.INVITATION_STATE_COMPLETED, done.id)
    assert completed(world, begun.sheet.id) == done
    assert refusal(world, pb.StartResponseRequest(survey_token=survey_token)).reason_code == "SURVEY_TOKEN_USED"
    assert "response.completed" in world.events()


def test_following_a_link_starts_nothing(world: Field, survey: questionnaires_pb2.Survey) -> None:
    survey_token = link(world, survey.id)
    events = world.events()
    for _ in range(3):
        world.call(pb.VisitLinkRequest(survey_token=survey_token), pb.Visit)
    assert world.events() == events
    [invitation] = world.store.sampling.list(f'survey_id = "{survey.id}"', PageRequest(size=2)).items
    assert world.store.collection.sheets.find_by_id(world.store.sampling.sheet_id(invitation)) is None


def test_t29_two_devices_make_one_response_and_the_later_number_wins(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    survey_token = link(world, survey.id)
    phone, desk = (started(world, survey_token, device=name).sheet.id for name in ("phone", "desk"))
    assert phone == desk
    saved(world, phone, sequence=5, device="phone", nps=9)
    late = saved(world, desk, sequence=3, device="desk", nps=2, why="offline since")
    assert list(late.late_items) == ["nps"]
    done = completed(world, phone)
    assert (done.answers["nps"].number, done.devices) == (9, 2)
    assert pb.QUALITY_FLAG_SEVERAL_DEVICES in done.flags
    assert dict(done.unheeded_answers) == {"why": answer("offline since")}
    assert "why" not in done.answers


@pytest.mark.parametrize("number", [11, -1])
def test_an_answer_off_the_scale_is_refused(world: Field, survey: questionnaires_pb2.Survey, number: int) -> None:
    sheet = started(world, link(world, survey.id)).sheet
    told = [pb.ItemAnswer(item="nps", answer=answer(number), sequence=1)]
    error = refusal(world, pb.SaveAnswersRequest(sheet_id=sheet.id, answers=told))
    assert (error.reason_code, error.metadata["allowed"]) == ("ANSWER_UNFIT", "a whole number from 0 to 10")


def test_blank_is_not_zero(world: Field, survey: questionnaires_pb2.Survey) -> None:
    sheet = started(world, link(world, survey.id)).sheet
    assert saved(world, sheet.id, nps=None).next == "nps"
    error = refusal(world, pb.CompleteResponseRequest(sheet_id=sheet.id))
    assert (error.reason_code, error.metadata["item"]) == ("RESPONSE_INCOMPLETE", "nps")


def test_an_unknown_item_is_refused(world: Field, survey: questionnaires_pb2.Survey) -> None:
    sheet = started(world, link(world, survey.id)).sheet
    told = [pb.ItemAnswer(item="shoe_size", answer=answer(44), sequence=1)]
    assert refusal(world, pb.SaveAnswersRequest(sheet_id=sheet.id, answers=told)).reason_code == "ITEM_UNKNOWN"


def test_answers_behind_logic_that_was_taken_back_are_kept_and_do_not_count(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    sheet = started(world, link(world, survey.id)).sheet
    saved(world, sheet.id, nps=3, why="slow")
    assert saved(world, sheet.id, sequence=2, nps=10).ending == questionnaires_pb2.ENDING_COMPLETE
    done = completed(world, sheet.id)
    assert (list(done.answers), list(done.unheeded_answers)) == (["nps"], ["why"])


def test_a_language_switched_half_way_keeps_the_answers(world: Field, survey: questionnaires_pb2.Survey) -> None:
    sheet = started(world, link(world, survey.id), language="en").sheet
    saved(world, sheet.id, nps=4)
    told = [pb.ItemAnswer(item="why", answer=answer("慢"), sequence=2)]
    world.call(pb.SaveAnswersRequest(sheet_id=sheet.id, answers=told, language="zh"), pb.Progress)
    done = completed(world, sheet.id)
    assert (done.language, done.answers["nps"].number) == ("zh", 4)
    assert pb.QUALITY_FLAG_LANGUAGE_SWITCHED in done.flags
    other = started(world, link(world, survey.id)).sheet
    error = refusal(world, pb.SaveAnswersRequest(sheet_id=other.id, answers=told, language="fr"))
    assert (error.reason_code, error.metadata["languages"]) == ("LANGUAGE_UNKNOWN", "en, zh")


def test_bad_links_are_told_apart(world: Field, survey: questionnaires_pb2.Survey) -> None:
    other, good = launched(world), link(world, survey.id)
    unknown = refusal(world, pb.VisitLinkRequest(survey_token="a" * 32))
    assert unknown.reason_code == "SURVEY_TOKEN_UNKNOWN"
    foreign = refusal(world, pb.VisitLinkRequest(survey_token=good, survey_id=other.id))
    assert foreign.reason_code == "SURVEY_TOKEN_OF_ANOTHER"
    tenant = refusal(world, pb.VisitLinkRequest(survey_token=good), tenant="bolt")
    assert tenant.reason_code == "SURVEY_TOKEN_OF_ANOTHER"
    world.clock.advance(31 * DAY)
    assert refusal(world, pb.StartResponseRequest(survey_token=good)).reason_code == "SURVEY_TOKEN_EXPIRED"


def test_a_survey_token_is_nowhere_in_the_store(world: Field, survey: questionnaires_pb2.Survey) -> None:
    survey_token = link(world, survey.id)
    assert len(survey_token) == 32
    stored = str([collection.documents for _, collection in world.database._kept()])
    assert survey_token not in stored


def test_nothing_joins_an_anonymous_response_and_its_customer(world: Field) -> None:
    survey = launched(world, anonymity="ANONYMITY_ANONYMOUS")
    invitation = invited(world, survey.id)
    world.clock.advance(timedelta(minutes=25, seconds=7))
    survey_token = token_of(world, invitation)
    done = response(world, survey_token, nps=9)
    assert (done.customer_id, done.invitation_id) == ("", "")
    assert done.create_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW
    assert done.complete_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW
    assert (
        world.store.collection.sheets.find_by_id(
            world.store.sampling.sheet_id(world.store.sampling.invitations.get(invitation.id))
        )
        is None
    )
    [stored] = list(world.store.collection.of_survey(survey.id))
    document = str(stored)
    assert invitation.id not in document
    assert invitation.customer_id not in document
    left = world.store.sampling.invitations.get(invitation.id)
    assert (left.response_id, str(left.state)) == ("", "REQUESTED")
    assert refusal(world, pb.StartResponseRequest(survey_token=survey_token)).reason_code == "SURVEY_TOKEN_USED"
    world.clock.advance(4 * DAY)
    error = refusal(world, sampling_pb2.RemindCustomerRequest(invitation_id=invitation.id))
    assert error.reason_code == "SURVEY_TOKEN_USED"


def test_quotas_are_filled_and_released(world: Field, survey: questionnaires_pb2.Survey) -> None:
    rule = {"item": "nps", "comparison": "COMPARISON_AT_LEAST", "values": ["9"]}
    quota = pb.Quota(survey_id=survey.id, key="promoters", limit=1, rules=[rule])
    world.call(pb.SetQuotaRequest(quota=quota), pb.Quota)

    def counted() -> int:
        found = world.call(pb.GetQuotasRequest(survey_id=survey.id), pb.GetQuotasResponse)
        return found.quotas[0].counted

    first = started(world, link(world, survey.id)).sheet
    saved(world, first.id, nps=10)
    assert counted() == 1
    late = link(world, survey.id, labels={"tier": "B"})
    ended = saved(world, started(world, late).sheet.id, nps=9)
    assert ended.sheet.state == pb.SHEET_STATE_HANDED_IN
    [kept] = list(world.store.collection.of_survey(survey.id))
    assert (str(kept.state), dict(kept.labels)) == ("QUOTA_FULL", {"tier": "B"})
    saved(world, first.id, sequence=2, nps=3)
    assert counted() == 0
    saved(world, first.id, sequence=3, nps=9)
    world.clock.advance(8 * DAY)
    assert world.tick("sheets") == 1
    assert counted() == 0


def test_what_was_given_up_counts_as_partial_when_the_score_is_there(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    enough, little = (started(world, link(world, survey.id)).sheet.id for _ in range(2))
    saved(world, enough, nps=2)
    saved(world, little, why="only words")
    world.clock.advance(8 * DAY)
    assert world.tick("sheets") == 2
    [kept] = list(world.store.collection.of_survey(survey.id))
    assert (str(kept.state), kept.answers["nps"].number) == ("PARTIAL", 2)
    assert refusal(world, pb.CompleteResponseRequest(sheet_id=little)).reason_code == "SHEET_ENDED"


def test_who_is_screened_out_keeps_the_groups_it_belongs_to(world: Field) -> None:
    items = [
        {
            "key": "role",
            "type": "ITEM_TYPE_SINGLE",
            "texts": {"en": "Role?", "zh": "角色？"},
            "required": True,
            "options": [{"key": key, "texts": {"en": key, "zh": key}} for key in ("buyer", "other")],
        },
        ITEMS[0],
    ]
    jump = {
        "after": "role",
        "when": [{"item": "role", "comparison": "COMPARISON_ONE_OF", "values": ["other"]}],
        "screens_out": True,
    }
    survey = launched(world, questionnaire=asked(items=items, jumps=[jump]))
    done = response(world, link(world, survey.id, labels={"size": "small"}), role=["other"])
    assert (done.state, dict(done.labels)) == (pb.RESPONSE_STATE_SCREENED_OUT, {"size": "small"})


def test_a_paper_is_read_twice_by_two_people(world: Field, survey: questionnaires_pb2.Survey) -> None:
    def typed(actor: str, key: str = "p-1", **answers: Any) -> pb.PaperEntry:
        paper = pb.PaperEntry(survey_id=survey.id, source_key=key, mode="MODE_FAX")
        told = {name: answer(value) for name, value in answers.items()}
        return world.call(pb.EnterPaperRequest(paper=paper, answers=told), pb.PaperEntry, actor=actor)

    typed("ada", nps=7, why="nice")
    again = pb.EnterPaperRequest(paper=pb.PaperEntry(survey_id=survey.id, source_key="p-1"))
    assert refusal(world, again, actor="ada").reason_code == "SECOND_TYPIST_NEEDED"
    second = typed("bob", nps=1, why="nice")
    assert (list(second.differences), second.response_id) == (["nps"], "")
    unsaid = refusal(world, pb.ResolvePaperRequest(paper_id=second.id))
    assert (unsaid.reason_code, unsaid.metadata["items"]) == ("DIFFERENCES_UNRESOLVED", "nps")
    settled = world.call(pb.ResolvePaperRequest(paper_id=second.id, answers={"nps": answer(1)}), pb.PaperEntry)
    done = world.call(pb.GetResponseRequest(response_id=settled.response_id), pb.Response)
    assert (done.mode, done.answers["nps"].number, done.answers["why"].text) == (pb.MODE_FAX, 1, "nice")
    typed("ada", "p-2", nps=9)
    assert typed("bob", "p-2", nps=9).response_id
    assert refusal(world, again, actor="cat").reason_code == "PAPER_SETTLED"


def test_imported_rows_stand_alone_and_repeat_harmlessly(world: Field, survey: questionnaires_pb2.Survey) -> None:
    rows: list[dict[str, Any]] = [
        {"answers": {"nps": 9}, "weight": 1.5},
        {"answers": {"nps": 11}},
        {"answers": {"why": "no score"}},
        {"answers": {"nps": 3, "why": "slow"}, "labels": {"tier": "A"}},
    ]
    outcomes = imported(world, survey.id, *rows).outcomes
    assert [each.created for each in outcomes] == [True, False, False, True]
    assert "a whole number from 0 to 10, not 11" in outcomes[1].error.message
    assert "too little" in outcomes[2].error.message
    assert [each.created for each in imported(world, survey.id, *rows).outcomes] == [False] * 4
    other = imported(world, survey.id, {"answers": {"nps": 8}}).outcomes[0]
    assert other.error.message


def test_straight_lining_and_speeding_are_told(world: Field) -> None:
    grid = {
        "key": "grid",
        "type": "ITEM_TYPE_MATRIX",
        "texts": {"en": "Rate", "zh": "评分"},
        "low": 1,
        "high": 5,
        "rows": [{"key": f"r{n}", "texts": {"en": "x", "zh": "x"}} for n in range(6)],
    }
    survey = launched(world, questionnaire=asked(items=[grid, ITEMS[0], {**ITEMS[1], "asked_when": []}]))
    done = response(world, link(world, survey.id), grid={f"r{n}": 3 for n in range(6)}, nps=3, why="x")
    assert list(done.flags) == [pb.QUALITY_FLAG_STRAIGHT_LINING, pb.QUALITY_FLAG_SPEEDING]


def test_nobody_is_taken_in_while_paused_but_who_began_goes_on(world: Field, survey: questionnaires_pb2.Survey) -> None:
    begun, late = link(world, survey.id), link(world, survey.id)
    sheet = started(world, begun).sheet
    world.call(questionnaires_pb2.PauseSurveyRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    error = refusal(world, pb.StartResponseRequest(survey_token=late))
    assert (error.reason_code, error.metadata["state"]) == ("SURVEY_STATE_FORBIDS", "PAUSED")
    saved(world, sheet.id, nps=9)
    assert completed(world, sheet.id).state == pb.RESPONSE_STATE_COMPLETED


def test_an_interview_is_a_response_by_another_mode(world: Field, survey: questionnaires_pb2.Survey) -> None:
    customer = identity.new_id("cus")
    sheet = pb.Sheet(survey_id=survey.id, mode="MODE_TELEPHONE", customer_id=customer)
    begun = world.call(pb.StartInterviewRequest(sheet=sheet), pb.Progress).sheet
    saved(world, begun.id, nps=8)
    done = completed(world, begun.id)
    assert (done.mode, done.customer_id) == (pb.MODE_TELEPHONE, customer)


def test_a_respondent_needs_nothing_but_the_link(world: Field, survey: questionnaires_pb2.Survey) -> None:
    survey_token = link(world, survey.id)
    respondents = Respondents(world.store.collection)
    with world.acting("nobody", tenant="elsewhere"):
        assert respondents.visit(survey_token).survey_id == survey.id
        assert respondents.start(survey_token).next == "nps"
        going = respondents.save(survey_token, [ItemAnswer(item="nps", answer=Answer(number=9), sequence=1)])
        assert going.ending == "COMPLETE"
        done = respondents.complete(survey_token)
    assert world.store.collection.responses.get(done.id).answers["nps"].number == 9


def test_a_new_version_leaves_those_who_began_with_theirs(world: Field, survey: questionnaires_pb2.Survey) -> None:
    begun = started(world, link(world, survey.id)).sheet
    reworded = [{**ITEMS[0], "texts": {"en": "Would you?", "zh": "会吗？"}}, ITEMS[1]]
    changed = drafted(id=survey.id, questionnaire=asked(items=reworded))
    world.call(questionnaires_pb2.RedefineSurveyRequest(survey=changed), questionnaires_pb2.Survey)
    saved(world, begun.id, nps=9)
    assert completed(world, begun.id).version == 1
    assert response(world, link(world, survey.id), nps=9).version == 2
