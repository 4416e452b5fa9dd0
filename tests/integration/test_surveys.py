"""The surveys service on a real MongoDB: every question on an index, and a quota that is filled exactly."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from uuid import uuid4

import pytest

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.paging import PageRequest
from libs.engine.store import MongoDatabase, connect
from services.surveys.collection.application.responses import Collection, Respondents
from services.surveys.collection.domain.quotas import Quota
from services.surveys.collection.domain.sheets import ItemAnswer, Sheet
from services.surveys.questionnaires.application import Surveys
from services.surveys.questionnaires.domain.answers import Answer, Comparison, Rule
from services.surveys.questionnaires.domain.items import Item, ItemType
from services.surveys.questionnaires.domain.surveys import DesignMethod, Questionnaire, Survey, SurveyKind
from services.surveys.results.application import Results
from services.surveys.results.domain.cells import Part
from services.surveys.results.domain.scores import Metric
from services.surveys.sampling.application import Invitations, Samples
from services.surveys.sampling.domain.invitations import Invitation
from services.surveys.sampling.domain.samples import FrameEntry, Sample
from services.surveys.store import SurveysStore
from services.surveys.subscriptions import timers
from tests.support.skips import long_run
from tests.support.timers import tick

LIMIT, RESPONDENTS, THREADS = 100, 150, 50
RACES = 20
"""Times that the race is run where there is time."""


@pytest.fixture(autouse=True)
def acting() -> Iterator[None]:
    with context.enter(Context(tenant="acme", actor="ann")):
        yield


@pytest.fixture
def store(mongodb_uri: str) -> Iterator[SurveysStore]:
    with connect(mongodb_uri, "surveys") as client:
        name = f"surveys_{uuid4().hex[:8]}"
        database = MongoDatabase(client, "surveys", page_key=bytes(32), seal_key=bytes(32), name=name)
        store = SurveysStore(database)
        database.migrate()
        yield store
        client.drop_database(name)


@pytest.fixture
def survey(store: SurveysStore) -> Survey:
    item = Item(key="nps", type=ItemType.NPS_0_10, texts={"en": "Recommend?"}, required=True)
    draft = Survey(
        id="",
        display_name="Calls",
        kind=SurveyKind.NPS,
        questionnaire=Questionnaire(languages=("en",), items=(item,)),
        design=DesignMethod.CENSUS,
        owner="ann",
    )
    surveys = Surveys(store.questionnaires)
    return surveys.launch(surveys.create(draft).id)


def answered(number: int) -> list[ItemAnswer]:
    return [ItemAnswer(item="nps", answer=Answer(number=number), sequence=1)]


@pytest.mark.parametrize("race", [1, *(pytest.param(number, marks=long_run) for number in range(2, RACES + 1))])
def test_t28_of_150_who_complete_at_once_100_count_and_50_keep_their_groups(
    store: SurveysStore, survey: Survey, race: int
) -> None:
    assert race <= RACES
    collection = Collection(store.collection)
    rule = Rule(item="nps", comparison=Comparison.AT_LEAST, values=("0",))
    collection.set_quota(Quota(id="", survey_id=survey.id, key="all", limit=LIMIT, rules=(rule,)))
    sheets = [
        collection.interview(Sheet(id="", survey_id=survey.id, labels={"tier": "A"})).sheet.id
        for _ in range(RESPONDENTS)
    ]

    def respond(sheet_id: str) -> None:
        if str(collection.save(sheet_id, answered(9)).sheet.state) == "OPEN":
            collection.complete(sheet_id)

    with ThreadPoolExecutor(THREADS) as threads:
        for each in [threads.submit(copy_context().run, respond, id) for id in sheets]:
            each.result()
    responses = list(store.collection.of_survey(survey.id))
    states = [str(each.state) for each in responses]
    assert (states.count("COMPLETED"), states.count("QUOTA_FULL")) == (LIMIT, RESPONDENTS - LIMIT)
    assert {each.labels["tier"] for each in responses} == {"A"}
    [quota] = collection.quotas(survey.id)
    assert quota.counted == LIMIT


def test_a_response_from_the_link_to_the_score(store: SurveysStore, survey: Survey) -> None:
    customer = identity.new_id("cus")
    invitation = Invitations(store.sampling).invite(Invitation(id="", survey_id=survey.id, customer_id=customer))
    assert str(invitation.state) == "REQUESTED"
    respondents = Respondents(store.collection)
    respondents.start(invitation.survey_token)
    respondents.save(invitation.survey_token, answered(9))
    response = respondents.complete(invitation.survey_token)
    store.database.transact(lambda: Results(store.results).follow([response]))
    results = Results(store.results)
    assert results.score(survey.id, "nps", Metric.NPS, Part()).base == 1
    assert results.response_rate(survey.id).answered == 1
    assert [each.month for each in results.trend(survey.id, "nps", Metric.NPS)]


def test_a_frame_of_thousands_is_drawn_in_one_go(store: SurveysStore, survey: Survey) -> None:
    samples = Samples(store.sampling)
    draft = Sample(id="", survey_id=survey.id, method=DesignMethod.SIMPLE_RANDOM, sample_size=50, seed=7)
    sample = samples.create(draft)
    for start in range(3):
        people = [identity.derived_id("cus", f"{start}:{number}") for number in range(1000)]
        samples.extend(sample.id, [FrameEntry(id="", sample_id="", customer_id=each) for each in people])
    drawn = samples.draw(sample.id)
    assert (drawn.frame_size, drawn.sample_size) == (3000, 50)
    assert len(samples.entries(sample.id, PageRequest(size=100), selected=True).items) == 50


@pytest.mark.parametrize("filter", ["", 'survey_id = "{survey}"', 'survey_id = "{survey}" AND wave = 1'])
def test_every_list_walks_an_index(store: SurveysStore, survey: Survey, filter: str) -> None:
    text = filter.format(survey=survey.id)
    if text:
        Collection(store.collection).list(text, PageRequest(size=2))
        Invitations(store.sampling).list(text, PageRequest(size=2))
    Surveys(store.questionnaires).list("", PageRequest(size=2))
    Surveys(store.questionnaires).list("state = LIVE", PageRequest(size=2))


def test_timers_find_what_is_due(store: SurveysStore, survey: Survey) -> None:
    collection = Collection(store.collection)
    sheet = collection.interview(Sheet(id="", survey_id=survey.id)).sheet
    collection.save(sheet.id, answered(3))
    Invitations(store.sampling).invite(Invitation(id="", survey_id=survey.id, customer_id=identity.new_id("cus")))
    with identity.clock(identity.FixedClock(identity.now() + timedelta(days=40))):
        assert tick(store.database, timers(store), "sheets") == 1
        assert tick(store.database, timers(store), "invitations") == 1
    [left] = store.collection.of_survey(survey.id)
    assert str(left.state) == "PARTIAL"
