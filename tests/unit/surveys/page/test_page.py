"""The page for respondents over HTTP: from link to thanks, in two languages, on two devices, and told kindly."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from kehu.surveys.v1 import collection_pb2, loop_pb2, questionnaires_pb2
from werkzeug.test import Client, TestResponse

from libs.chassis.paging import PageRequest
from services.surveys.page.web import shell, words
from services.surveys.page.web.app import BODY_MAX
from services.surveys.web import page
from tests.unit.surveys.builders import invited as invited_to
from tests.unit.surveys.builders import link, token_of
from tests.unit.surveys.conftest import Field, asked, drafted

KEY = bytes(32)
FIRST_PAGE_MAX = 50_000
"""Bytes of the first page with everything that it loads."""


def told(key: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "type": f"ITEM_TYPE_{kind}", "texts": {"en": f"{key}?", "zh": f"{key}？"}, **fields}


def option(key: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "texts": {"en": key.title(), "zh": f"{key}中"}, **fields}


AB = [option("a"), option("b")]
EVERY: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (told("nps", "NPS_0_10"), {"answer": "9"}, "number: 9"),
    (told("csat", "CSAT_1_5"), {"answer": "(n/a)"}, "not_applicable: true"),
    (told("ces", "CES_1_7"), {"answer": "7"}, "number: 7"),
    (told("rate", "SCALE", low=-2, high=2), {"answer": "-2"}, "number: -2"),
    (told("one", "SINGLE", options=AB), {"answer": "b"}, 'choices: "b"'),
    (told("many", "MULTI", options=AB, randomize=True), {"answer": ["a", "b"]}, 'choices: "a" choices: "b"'),
    (told("grid", "MATRIX", low=1, high=5, rows=AB), {"answer.a": "1", "answer.b": "5"}, "value: 1"),
    (told("order", "RANK", options=AB), {"answer.a": "2", "answer.b": "1"}, 'choices: "b" choices: "a"'),
    (told("count", "NUMBER", low=0, high=9), {"answer": " 4 "}, "number: 4"),
    (told("day", "DATE"), {"answer": "2026-03-31"}, "year: 2026 month: 3 day: 31"),
    (told("text", "TEXT"), {"answer": "<b>slow</b>"}, 'text: "<b>slow</b>"'),
    (told("words", "WORD_ASSOCIATION"), {"answer": " warm \r\n\r\n old"}, r'text: "warm\nold"'),
    (told("story", "SCENARIO", options=AB), {"answer": "a"}, 'choices: "a"'),
    (told("seen", "PICTURE", options=AB, picture_ref="https://pictures.example/1.png"), {"answer": "a"}, '"a"'),
    (told("agree", "CONSENT"), {"answer": "no"}, 'choices: "no"'),
    (
        told("staff", "PAIR_EXPECTATION_PERCEPTION", low=1, high=7),
        {"answer.expectation": "7", "answer.perception": "4"},
        "value: 4",
    ),
]
"""Item, form, and what is kept of it: every type that there is."""
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("nps", {"answer": "8.5"}, "error_scale"),
    ("nps", {"answer": "11"}, "error_scale"),
    ("one", {"answer": "zzz"}, "error_choice"),
    ("many", {"answer": ["a", "a", "zzz"]}, "error_multi"),
    ("grid", {"answer.a": "1"}, "error_rows"),
    ("order", {"answer.a": "1", "answer.b": "1"}, "error_rank"),
    ("count", {"answer": "ten"}, "error_number"),
    ("day", {"answer": "31 March"}, "error_date"),
    ("text", {"answer": "x" * 4001}, "error_text"),
    ("words", {"answer": "\n".join("abcdefghijk")}, "error_words"),
    ("csat", {"answer": ["(n/a)", "4"]}, "error_na"),
]


class Browser:
    """A client that keeps cookies and follows what the page says."""

    def __init__(self, world: Field, survey_token: str, language: str = "en") -> None:
        self.client = Client(page(world.store, KEY))
        self.link = f"/s/{survey_token}"
        self.headers = {"Accept-Language": language}
        self.at = self.get()

    def get(self, path: str = "", **fields: Any) -> TestResponse:
        target = path if path.startswith("/s") else f"{self.link}{path}"
        self.at = self.client.get(target, headers=self.headers, follow_redirects=True, **fields)
        return self.at

    def send(self, *, action: str = "", **fields: Any) -> TestResponse:
        """Sends the form of the page as it stands, with these fields."""
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.at.text))
        target = action or re.findall(r'<form method="post" action="([^"]+)"', self.at.text)[0]
        form = {**hidden, **fields.pop("form", {}), **fields}
        self.at = self.client.post(target, data=form, headers=self.headers, follow_redirects=True)
        return self.at

    @property
    def path(self) -> str:
        return self.at.request.path.removeprefix(self.link)


def launched(world: Field, **fields: Any) -> questionnaires_pb2.Survey:
    made = world.call(questionnaires_pb2.CreateSurveyRequest(survey=drafted(**fields)), questionnaires_pb2.Survey)
    return world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=made.id), questionnaires_pb2.Survey)


def everything(world: Field, **fields: Any) -> questionnaires_pb2.Survey:
    items: list[Any] = [{**item, "na_allowed": item["key"] == "csat"} for item, _, _ in EVERY]
    return launched(world, questionnaire=asked(items=items), **fields)


def only_response(world: Field) -> collection_pb2.Response:
    request = collection_pb2.ListResponsesRequest()
    [found] = world.call(request, collection_pb2.ListResponsesResponse).responses
    return found


def test_every_kind_of_question_is_answered_to_the_end(world: Field) -> None:
    survey = everything(world)
    browser = Browser(world, link(world, survey.id))
    browser.send()
    for item, form, _ in EVERY:
        assert browser.path == f"/q/{item['key']}"
        assert f"{item['key']}?" in browser.at.text
        assert browser.send(form=form).status_code == 200
    assert browser.path == "/end"
    assert "Thank you" in browser.send().text
    answers = only_response(world).answers
    for item, _, kept in EVERY:
        assert kept in " ".join(str(answers[item["key"]]).split()), item["key"]


@pytest.mark.parametrize(("key", "form", "word"), WRONG)
def test_what_does_not_fit_is_told_kindly_and_nothing_is_saved(
    world: Field, key: str, form: dict[str, Any], word: str
) -> None:
    item = next(item for item, _, _ in EVERY if item["key"] == key)
    survey = launched(world, questionnaire=asked(items=[{**item, "na_allowed": key == "csat"}]))
    browser = Browser(world, link(world, survey.id))
    browser.send()
    refused = browser.send(form=form)
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert words.words("en")[word].partition("{")[0] in refused.text.replace("&#34;", '"')
    assert "<title>Error: " in refused.text
    assert browser.get().request.path.endswith(f"/q/{key}"), "it is still asked"


def test_a_required_answer_is_asked_for_and_blank_is_not_zero(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = Browser(world, link(world, survey.id))
    browser.send()
    assert browser.send().status_code == 422
    assert browser.send(skip="1").status_code == 422
    assert browser.send(answer="0").status_code == 200
    assert browser.path == "/q/why", "0 is an answer"
    browser.send(skip="1")
    browser.send()
    assert only_response(world).answers["nps"].number == 0


def test_a_scanner_of_mail_that_follows_everything_starts_nothing(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    invitation = invited_to(world, survey.id)
    browser = Browser(world, token_of(world, invitation))
    for path in ("", "/q/nps", "/end", "/thanks", "/start"):
        browser.get(path)
    assert browser.client.head(browser.link).status_code == 200
    visit = world.call(collection_pb2.VisitLinkRequest(survey_token=token_of(world, invitation)), collection_pb2.Visit)
    assert not visit.started


def test_the_other_device_goes_on_where_the_first_one_stopped(world: Field, survey: questionnaires_pb2.Survey) -> None:
    survey_token = link(world, survey.id)
    phone, desk = Browser(world, survey_token), Browser(world, survey_token)
    phone.send()
    phone.send(answer="3")
    assert desk.get().request.path.endswith("/q/why")
    assert "Why 3?" in desk.at.text
    desk.send(answer="slow")
    desk.send()
    response = only_response(world)
    assert (response.answers["nps"].number, response.devices) == (3, 2)


def test_an_answer_from_an_older_page_of_another_device_does_not_win(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    survey_token = link(world, survey.id)
    phone = Browser(world, survey_token)
    phone.send()
    desk = Browser(world, survey_token)
    phone.send(answer="3")
    phone.get("/q/nps")
    phone.send(answer="4")
    late = desk.send(answer="9")
    assert words.words("en")["late"] in late.text
    assert re.search(r'value="4" checked', late.text)


def test_languages_are_switched_half_way_and_the_answers_stay(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = Browser(world, link(world, survey.id), "zh-CN,zh;q=0.9")
    assert '<html lang="zh">' in browser.at.text
    assert "开始" in browser.at.text
    browser.send()
    assert "推荐我们吗？" in browser.at.text
    english = browser.get("/q/nps?lang=en")
    assert "Recommend us?" in english.text
    browser.send(answer="2")
    assert "Why 2?" in browser.at.text, "the language that was chosen stays"
    browser.send(skip="1")
    browser.send()
    response = only_response(world)
    assert response.language == "en"
    assert collection_pb2.QUALITY_FLAG_LANGUAGE_SWITCHED in response.flags


def test_going_back_changes_an_answer_and_what_was_hidden_stays_hidden(
    world: Field, survey: questionnaires_pb2.Survey
) -> None:
    browser = Browser(world, link(world, survey.id))
    browser.send()
    browser.send(answer="3")
    browser.send(answer="slow")
    browser.get("/q/nps")
    assert re.search(r'value="3" checked', browser.at.text)
    browser.send(answer="10")
    assert browser.path == "/end"
    assert browser.get("/q/why").request.path.endswith("/end"), "a question that is not asked leads on"
    browser.send()
    response = only_response(world)
    assert response.unheeded_answers["why"].text == "slow"
    assert "why" not in response.answers


def test_a_draft_is_saved_while_it_is_written(world: Field) -> None:
    survey = launched(world, questionnaire=asked(items=[told("text", "TEXT")]))
    browser = Browser(world, link(world, survey.id))
    browser.send()
    form = browser.at
    assert browser.send(quiet="1", answer="so far").status_code == 204
    browser.at = form
    browser.send(sequence="2", answer="so far and no further")
    browser.send()
    assert only_response(world).answers["text"].text == "so far and no further"


def test_the_words_of_a_respondent_are_never_markup(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = Browser(world, link(world, survey.id))
    browser.send()
    browser.send(answer="1")
    browser.send(answer="<script>alert(1)</script>")
    shown = browser.get("/q/why")
    assert "<script>alert" not in shown.text
    assert "&lt;script&gt;" in shown.text


def refusals(world: Field, survey: questionnaires_pb2.Survey) -> Browser:
    browser = Browser(world, link(world, survey.id))
    browser.send()
    return browser


def test_a_form_of_another_page_is_refused(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = refusals(world, survey)
    form = browser.at
    assert browser.send(answer="9", signature="0" * 64).status_code == 403
    assert "Nothing is lost" in browser.at.text
    browser.at = form
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    assert browser.send(answer="9").status_code == 403
    del browser.headers["Sec-Fetch-Site"]
    other = Browser(world, link(world, survey.id))
    browser.at = other.at
    hidden = re.findall(r'name="signature" value="(\w+)"', other.at.text)[0]
    browser.at = form
    assert browser.send(answer="9", signature=hidden).status_code == 403, "the form of another link"
    browser.at = form
    assert browser.send(answer="9").status_code == 200


@pytest.mark.parametrize("language", ["en", "zh"])
def test_links_that_lead_nowhere_are_told_in_two_languages(world: Field, language: str) -> None:
    for survey_token in ("0" * 32, "short", "f" * 64):
        found = Browser(world, survey_token, language).at
        assert found.status_code == 404
        assert words.words(language)["unknown_title"] in found.text


def test_a_link_that_is_over_or_used_says_so(world: Field, survey: questionnaires_pb2.Survey) -> None:
    survey_token = link(world, survey.id)
    browser = Browser(world, survey_token)
    browser.send()
    browser.send(answer="9")
    browser.send()
    assert "Your answers have arrived" in browser.at.text
    again = browser.get()
    assert (again.status_code, "They were sent before" in again.text) == (200, True)
    late = Browser(world, link(world, survey.id))
    world.clock.advance(timedelta(days=31))
    assert late.get().status_code == 410
    assert "This link is over" in late.at.text


def test_a_survey_that_was_paused_takes_nobody_in(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = Browser(world, link(world, survey.id))
    world.call(questionnaires_pb2.PauseSurveyRequest(survey_id=survey.id), questionnaires_pb2.Survey)
    assert browser.send().status_code == 409
    assert "takes no answers now" in browser.at.text


def test_who_is_screened_out_is_thanked_at_once(world: Field) -> None:
    item = told("uses", "CONSENT")
    rule = {"item": "uses", "comparison": "COMPARISON_ONE_OF", "values": ["no"]}
    jumps: list[Any] = [{"after": "uses", "when": [rule], "screens_out": True}]
    survey = launched(world, questionnaire=asked(items=[item, told("text", "TEXT")], jumps=jumps))
    browser = Browser(world, link(world, survey.id))
    browser.send()
    assert "no further questions" in browser.send(answer="no").text
    assert only_response(world).state == collection_pb2.RESPONSE_STATE_SCREENED_OUT


def test_thanks_tell_what_came_of_earlier_answers(world: Field, survey: questionnaires_pb2.Survey) -> None:
    finding = world.call(
        loop_pb2.CreateFindingRequest(finding=loop_pb2.Finding(survey_id=survey.id, text="The wait is long")),
        loop_pb2.Finding,
    )
    browser = refusals(world, survey)
    browser.send(answer="9")
    assert "The wait is long" not in browser.send().text, "nothing was done yet"
    world.call(loop_pb2.PlanActionRequest(finding_id=finding.id, action="Two more at noon"), loop_pb2.Finding)
    world.call(loop_pb2.FinishActionRequest(finding_id=finding.id), loop_pb2.Finding)
    shown = browser.get("/thanks").text
    assert shown.index("You said, we did") < shown.index("The wait is long") < shown.index("Two more at noon")


@pytest.mark.parametrize("anonymity", ["IDENTIFIED", "CONFIDENTIAL", "ANONYMOUS"])
def test_the_first_page_says_what_happens_with_answers(world: Field, anonymity: str) -> None:
    survey = launched(world, anonymity=f"ANONYMITY_{anonymity}")
    shown = Browser(world, link(world, survey.id)).at.text
    assert words.words("en")[f"purpose_{anonymity}"] in shown


def test_an_anonymous_response_is_given_on_the_page_too(world: Field) -> None:
    survey = launched(world, anonymity="ANONYMITY_ANONYMOUS")
    browser = refusals(world, survey)
    browser.send(answer="9")
    assert "Thank you" in browser.send().text
    assert only_response(world).customer_id == ""
    assert "They were sent before" in browser.get().text


def test_the_first_page_is_small_with_all_that_it_loads(world: Field) -> None:
    browser = Browser(world, link(world, everything(world).id))
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.at.text)
    assert len(files) == 3
    loaded = [browser.client.get(each) for each in files]
    assert {each.status_code for each in loaded} == {200}
    assert all("immutable" in each.headers["Cache-Control"] for each in loaded)
    assert len(browser.at.data) + sum(len(each.data) for each in loaded) <= FIRST_PAGE_MAX
    assert browser.client.get("/static/../app.py").status_code == 404


def test_every_page_lets_nothing_else_in(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = refusals(world, survey)
    for at in (browser.at, browser.get("/thanks"), browser.get("/s/nowhere12")):
        for name, value in shell.HEADERS.items():
            assert at.headers[name] == value
        assert "unsafe" not in at.headers["Content-Security-Policy"]
        assert not re.search(r"<script>|<style|style=|onclick|javascript:", at.text)
    [cookie] = list(refusals(world, survey).client._cookies.values())
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")


def test_a_form_that_is_too_long_is_refused(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = refusals(world, survey)
    assert browser.send(answer="x" * (BODY_MAX + 1)).status_code == 413


def test_a_refusal_from_outside_is_told_kindly(world: Field) -> None:
    client = Client(page(world.store, KEY))
    for reason, status in (("many", 429), ("failed", 503)):
        told_by = client.get("/s/x", environ_overrides={"kehu.refused": reason})
        assert (told_by.status_code, told_by.headers["Retry-After"]) == (status, "60")
        assert "saved" in told_by.text


def test_both_languages_say_the_same_things() -> None:
    english, chinese = (words.LANGUAGES[each] for each in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert sorted(re.findall(r"{\w*}", text)) == sorted(re.findall(r"{\w*}", chinese[key])), key


class Labels(HTMLParser):
    """Collects what a form can be filled in with, and what labels it."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.fields, self.labelled = 0, set[str](), set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inside += tag == "label"
        if tag == "label" and given.get("for"):
            self.labelled.add(str(given["for"]))
        if tag in ("input", "select", "textarea") and given.get("type") != "hidden" and not self.inside:
            self.fields.add(str(given.get("id")))

    def handle_endtag(self, tag: str) -> None:
        self.inside -= tag == "label"


def test_every_field_has_its_label(world: Field) -> None:
    browser = Browser(world, link(world, everything(world).id))
    browser.send()
    for item, form, _ in EVERY:
        labels = Labels()
        labels.feed(browser.at.text)
        assert labels.fields <= labels.labelled, item["key"]
        browser.send(form=form)


def test_findings_are_read_in_the_tenant_of_the_link(world: Field, survey: questionnaires_pb2.Survey) -> None:
    browser = refusals(world, survey)
    with world.acting(tenant="other"):
        assert browser.get().status_code == 200
        assert not list(world.store.loop.list_findings(survey.id, PageRequest(size=5)).items)
