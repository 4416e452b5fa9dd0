"""Responses of the past, as another system tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from libs.chassis import identity
from libs.chassis.domain import Change, DomainError, InvalidArgument
from libs.chassis.store import Outcome
from services.surveys.collection.domain.responses import Mode, Response, ResponseState, is_usable
from services.surveys.collection.domain.sheets import ItemUnknown, to_the_hour
from services.surveys.collection.store import CollectionStore
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.items import check
from services.surveys.questionnaires.domain.logic import Ending
from services.surveys.questionnaires.domain.surveys import (
    Anonymity,
    Questionnaire,
    Survey,
    SurveyState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastResponse:
    """A response as a source tells it."""

    source_key: str
    survey_id: str
    version: int = 0
    wave: int = 0
    customer_id: str = ""
    language: str = ""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    stratum: str = ""
    weight: float = 0.0
    start_time: datetime | None = None
    complete_time: datetime | None = None


class PastResponses:
    """Responses that were given elsewhere."""

    def __init__(self, store: CollectionStore) -> None:
        self._store = store

    def take(self, rows: Sequence[PastResponse | DomainError]) -> Sequence[Outcome[Response]]:
        """Outcome of each response of the past. One that could not be read comes as its error."""
        surveys: dict[str, Survey] = {}

        def make(row: PastResponse) -> tuple[PastResponse, Change[Response]]:
            if row.survey_id not in surveys:
                surveys[row.survey_id] = self._store.questionnaires.surveys.get(row.survey_id)
            survey = surveys[row.survey_id]
            survey.require(*(each for each in SurveyState if each is not SurveyState.DRAFT))
            questionnaire = (
                self._store.version(survey.id, row.version).questionnaire if row.version else survey.questionnaire
            )
            check_all(survey, row.answers, questionnaire)
            response = response_of(row, survey, questionnaire, identity.now(), Mode.IMPORT)
            return row, replace(response, id=self._store.responses.id_of(_key(row))).hand_in()

        def store(made: Sequence[tuple[PastResponse, Change[Response]]]) -> Sequence[Outcome[Response]]:
            return self._store.responses.insert_many(
                [response for _, response in made],
                keys=[_key(row) for row, _ in made],
                contents=[row for row, _ in made],
            )

        return self._store.customers.take(rows, make, store, of=lambda row: row.customer_id, withdraw=self._withdraw)

    def _withdraw(self, ids: Sequence[str]) -> None:
        """Takes the words out of responses."""
        self._store.responses.erase(ids)
        self._store.responses.update_many(((id, None) for id in ids), lambda each, _: each.erase())


def _key(row: PastResponse) -> str:
    return f"{row.survey_id}:{row.source_key}"


def check_all(survey: Survey, answers: Mapping[str, Answer], questionnaire: Questionnaire | None = None) -> None:
    """Refuses answers to items that there are not, and those that an item does not take."""
    items = (questionnaire or survey.questionnaire).by_key
    for key, answer in answers.items():
        if key not in items:
            raise ItemUnknown(survey_id=survey.id, version=survey.version, item=key)
        check(items[key], answer)


def response_of(row: PastResponse, survey: Survey, questionnaire: Questionnaire, now: datetime, mode: Mode) -> Response:
    """A response of the past. What nobody had to answer counts as seen and left blank."""
    given = {item.key: row.answers.get(item.key, Answer()) for item in questionnaire.items}
    route = questionnaire.route(given)
    heeded = {key: answer for key, answer in given.items() if key in route.shown and not answer.is_blank}
    match route.ending:
        case Ending.COMPLETE:
            state = ResponseState.COMPLETED
        case Ending.SCREENED_OUT:
            state = ResponseState.SCREENED_OUT
        case _ if is_usable(questionnaire, heeded):
            state = ResponseState.PARTIAL
        case _:
            raise InvalidArgument.field("answers", f"{route.next} has to be answered, and too little else is")
    named = survey.anonymity is Anonymity.IDENTIFIED
    hour = survey.anonymity is Anonymity.ANONYMOUS
    start, end = row.start_time or row.complete_time or now, row.complete_time or now
    return Response(
        id="",
        survey_id=survey.id,
        version=row.version or survey.version,
        wave=row.wave or survey.wave,
        state=state,
        mode=mode,
        language=row.language,
        customer_id=row.customer_id if named else "",
        source_key=row.source_key,
        answers=heeded,
        unheeded_answers={key: each for key, each in row.answers.items() if key not in heeded and not each.is_blank},
        labels=row.labels,
        stratum=row.stratum,
        weight=row.weight or 1.0,
        start_time=to_the_hour(start) if hour else start,
        complete_time=to_the_hour(end) if hour else end,
        seconds=max(int((end - start).total_seconds()), 0),
    )
