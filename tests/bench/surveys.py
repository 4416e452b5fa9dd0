"""Figures of surveys: saving answers, scores while responses grow a hundredfold, and the page for respondents."""

from __future__ import annotations

import http.client
import os
import re
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from kehu.surveys.v1 import collection_pb2

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.engine.access import SEAL_KEY
from libs.engine.store import MongoDatabase
from services.surveys.collection.application.responses import Collection
from services.surveys.collection.domain.responses import Mode, Response, ResponseState
from services.surveys.collection.domain.sheets import Sheet
from services.surveys.questionnaires.application import Surveys
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import Item, ItemType
from services.surveys.questionnaires.domain.surveys import DesignMethod, Questionnaire, Survey, SurveyKind
from services.surveys.results.application import Results
from services.surveys.results.domain.cells import Part
from services.surveys.results.domain.scores import Metric
from services.surveys.sampling.application import Invitations
from services.surveys.sampling.domain.invitations import Invitation
from services.surveys.store import SurveysStore
from tests.bench import bare, calls
from tests.bench.figures import Figure
from tests.bench.stage import TENANT, clocked, in_turns
from tests.bench.stage import Stage as Bench

SERVICE = "/kehu.surveys.v1.CollectionService"
SHEETS = 400
RESPONDENTS = 16
QUESTIONS = 20
FEW, MANY = 10_000, 1_000_000
_AT_ONCE = 1_000
_CALLS = 200


def answers(stage: Bench) -> Figure:
    """Saving an answer with its place in the order of changes, beside a bare majority insert."""
    calls.customers(stage, 1)
    with _store(stage, TENANT) as store:
        survey, collection = _launched(store), Collection(store.collection)
        sheets = [collection.interview(Sheet(id="", survey_id=survey.id)).sheet.id for _ in range(SHEETS)]
    count, last = int(2_500 * stage.seconds), 0

    def saves(number: int) -> list[collection_pb2.SaveAnswersRequest]:
        nonlocal last
        last += number
        return [_save(sheets[each % SHEETS], each) for each in range(last - number + 1, last + 1)]

    with calls.side_by_side(stage, "surveys") as (ours, bare_target):
        rates = in_turns(
            stage.rounds,
            ours=lambda: calls.rate(stage, ours, f"{SERVICE}/SaveAnswers", saves(count)),
            bare=lambda: calls.rate(stage, bare_target, bare.INSERT, saves(100)),
        )
    return Figure.ratio("SaveAnswers, calls/s", "threads + majority insert", rates, reach=0.6)


def scores(stage: Bench) -> Figure:
    """The median time of the score of a segment, read from cells, when so many responses were counted in them."""
    with _store(stage, "scoring") as store:
        survey, results = _launched(store), Results(store.results)
        some = [_response(survey, number) for number in range(FEW)]

        def follow() -> None:
            for start in range(0, FEW, _AT_ONCE):
                part = some[start : start + _AT_ONCE]
                store.database.transact(lambda part=part: results.follow(part))  # type: ignore[misc]

        def median(responses: int) -> float:
            part = Part(dimension="tier", group="A")
            found = results.score(survey.id, "q0", Metric.NPS, part)
            if found.base != responses // 2:
                raise RuntimeError(f"{found.base} of {responses // 2} answers were counted")
            read = (clocked(lambda: results.score(survey.id, "q0", Metric.NPS, part)) for _ in range(_CALLS))
            return statistics.median(read) * 1_000

        follow()
        before = median(FEW)
        for _ in range(MANY // FEW - 1):
            follow()
        after = median(MANY)
    return Figure.growth(f"score of a segment, ms with {MANY:,} responses, was {FEW:,}", before, after, most=1.3)


def page(stage: Bench) -> list[Figure]:
    """From one question to the next on the page, the form and the page that follows, by several respondents at once."""
    with _store(stage, "answering") as store:
        survey = _launched(store)
        invitations = Invitations(store.sampling)
        asked = (Invitation(id="", survey_id=survey.id, customer_id=identity.new_id("cus")) for _ in range(RESPONDENTS))
        links = [f"/s/{invitations.invite(each).survey_token}" for each in asked]
    pid, address = stage.system.pid("surveys-web"), stage.system.pages["surveys"]
    worked = _cpu(pid)
    with ThreadPoolExecutor(RESPONDENTS) as threads:
        steps = sorted(step for found in threads.map(lambda link: _respond(address, link), links) for step in found)
    own = (_cpu(pid) - worked) / len(steps)
    at_once = f"{RESPONDENTS} respondents at once"
    return [
        Figure.stated(f"page: question to next question, ms, p95, {at_once}", steps[int(len(steps) * 0.95)] * 1_000),
        Figure.stated("page: processor time of its process for that, ms", own * 1_000),
    ]


# ------------------------------------------------------------------------------------------------ what they run on


@contextmanager
def _store(stage: Bench, tenant: str) -> Iterator[SurveysStore]:
    seal_key = bytes.fromhex((stage.system.keys / SEAL_KEY).read_text())
    with stage.mongo("surveys") as mongo, context.enter(Context(tenant=tenant, actor="bench")):
        yield SurveysStore(MongoDatabase(mongo, "surveys", page_key=bytes(32), seal_key=seal_key))


def _launched(store: SurveysStore) -> Survey:
    items = tuple(
        Item(key=f"q{number}", type=ItemType.NPS_0_10, texts={"en": f"Question {number}?"}, required=True)
        for number in range(QUESTIONS)
    )
    draft = Survey(
        id="",
        display_name="Bench",
        kind=SurveyKind.NPS,
        questionnaire=Questionnaire(languages=("en",), items=items),
        design=DesignMethod.CENSUS,
        owner="bench",
    )
    surveys = Surveys(store.questionnaires)
    return surveys.launch(surveys.create(draft).id)


def _save(sheet_id: str, sequence: int) -> collection_pb2.SaveAnswersRequest:
    answer = {"item": f"q{sequence % QUESTIONS}", "answer": {"number": sequence % 11}, "sequence": sequence}
    return collection_pb2.SaveAnswersRequest(
        sheet_id=sheet_id,
        answers=[collection_pb2.ItemAnswer(**answer)],  # type: ignore[arg-type]
        request_id=str(uuid.uuid4()),
    )


def _response(survey: Survey, number: int) -> Response:
    return Response(
        id=identity.new_id(Response.ID_PREFIX),
        survey_id=survey.id,
        version=1,
        wave=1,
        state=ResponseState.COMPLETED,
        mode=Mode.WEB,
        answers={"q0": Answer(number=number % 11)},
        labels={"tier": "AB"[number % 2]},
        complete_time=identity.now(),
    )


def _respond(address: str, link: str) -> Sequence[float]:
    """Seconds of each step of a respondent who answers everything."""
    connection = http.client.HTTPConnection(address, timeout=30)
    cookie, steps = "", list[float]()

    def ask(method: str, path: str, body: str = "") -> tuple[str, str]:
        nonlocal cookie
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        cookie = answer.getheader("Set-Cookie", cookie).partition(";")[0]
        if answer.status not in (200, 303):
            raise RuntimeError(f"{method} was answered with {answer.status}")
        return (answer.getheader("Location", "") or path), text

    path, text = ask("GET", link)
    path, _ = ask("POST", f"{link}/start", _form(text))
    path, text = ask("GET", path)
    for number in range(QUESTIONS - 1):
        begun = time.perf_counter()
        path, _ = ask("POST", path, _form(text, answer=str(number % 11)))
        path, text = ask("GET", path)
        steps.append(time.perf_counter() - begun)
    connection.close()
    return steps


def _form(page: str, **fields: str) -> str:
    return urlencode({**dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)), **fields})


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
