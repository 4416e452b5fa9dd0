"""Papers: typed in by two people, settled where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.surveys.collection.application.past import PastResponse, check_all, response_of
from services.surveys.collection.domain.papers import PaperEntry
from services.surveys.collection.store import CollectionStore
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.surveys import (
    ANSWERABLE,
    Survey,
    SurveyState,
)


class Papers:
    """What came by letter, fax or on paper."""

    def __init__(self, store: CollectionStore) -> None:
        self._store = store

    def type_in(self, given: PaperEntry, answers: Mapping[str, Answer]) -> PaperEntry:
        """Takes in a paper as one person read it. The second reading makes a response when it says the same."""
        survey = self._store.questionnaires.surveys.get(given.survey_id)
        survey.require(*ANSWERABLE, SurveyState.FIELD_CLOSED)
        check_all(survey, answers)
        self._store.customers.refuse_erased([given.customer_id])
        id, actor = self._store.papers.id_of(f"{given.survey_id}:{given.source_key}"), context.current().actor
        blank = PaperEntry(id=id, survey_id=given.survey_id, source_key=given.source_key)

        def work() -> PaperEntry:
            [paper] = self._store.papers.upsert_many(
                [(blank, None)], lambda each, _: each.type_in(given, answers, actor)
            )
            if paper.second is None or paper.differences:
                return paper
            return self._settled(paper, survey, answers)

        return self._store.database.transact(work, again=lambda: self._store.papers.get(id))

    def resolve(self, paper_id: str, chosen: Mapping[str, Answer]) -> PaperEntry:
        """Makes a response of a paper that two people read differently, as a person decides."""

        def work() -> PaperEntry:
            paper = self._store.papers.get(paper_id)
            survey = self._store.questionnaires.surveys.get(paper.survey_id)
            check_all(survey, chosen)
            return self._settled(paper, survey, paper.resolve(chosen))

        return self._store.database.transact(work, again=lambda: self._store.papers.get(paper_id))

    def list(self, survey_id: str, request: PageRequest) -> Page[PaperEntry]:
        """A page of the papers of a survey, the latest first."""
        return self._store.list_papers(survey_id, request)

    def _settled(self, paper: PaperEntry, survey: Survey, answers: Mapping[str, Answer]) -> PaperEntry:
        past = PastResponse(
            source_key=paper.source_key,
            survey_id=survey.id,
            customer_id=paper.customer_id,
            answers=answers,
        )
        response = response_of(past, survey, survey.questionnaire, identity.now(), paper.mode)
        made = self._store.responses.insert(
            lambda id: replace(response, id=id).hand_in(), key=f"{survey.id}:{paper.source_key}"
        )
        [settled] = self._store.papers.update_many([(paper.id, made.id)], PaperEntry.settle)
        return settled
