"""Surveys: writing them, and opening and closing their field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from libs.chassis import identity
from libs.chassis.domain import Change, FieldViolation
from libs.chassis.paging import Page, PageRequest
from services.surveys.questionnaires.domain.answers import Answer
from services.surveys.questionnaires.domain.logic import Route
from services.surveys.questionnaires.domain.surveys import Questionnaire, Survey, SurveyVersion
from services.surveys.questionnaires.store import QuestionnairesStore


class Surveys:
    """The surveys of a tenant."""

    def __init__(self, store: QuestionnairesStore) -> None:
        self._store = store

    def create(self, draft: Survey) -> Survey:
        """A new draft."""
        return self._store.surveys.insert(lambda id: replace(draft, id=id).create())

    def redefine(self, draft: Survey, *, revision: int = 0) -> Survey:
        """Writes a draft anew, or gives what was launched its next version."""
        return self._change(draft.id, lambda each: each.redefine(draft), revision)

    def get(self, survey_id: str) -> Survey:
        """One survey."""
        return self._store.surveys.get(survey_id)

    def version(self, survey_id: str, number: int) -> SurveyVersion:
        """A version that respondents were asked."""
        return self._store.version(survey_id, number)

    def list(self, filter: str, request: PageRequest) -> Page[Survey]:
        """A page of surveys, the latest first."""
        return self._store.list(filter, request)

    def violations(self, questionnaire: Questionnaire) -> Sequence[FieldViolation]:
        """Everything that would refuse a questionnaire."""
        return tuple(questionnaire.violations())

    def route(self, questionnaire: Questionnaire, answers: Mapping[str, Answer]) -> Route:
        """The way that answers would lead. Refuses an unsound questionnaire."""
        return questionnaire.route(answers)

    def launch(self, survey_id: str, *, pilot: bool = False, revision: int = 0) -> Survey:
        """Opens the field."""
        return self._change(survey_id, partial(Survey.launch, pilot=pilot, now=identity.now()), revision)

    def pause(self, survey_id: str, *, revision: int = 0) -> Survey:
        """Takes nobody in for now."""
        return self._change(survey_id, Survey.pause, revision)

    def resume(self, survey_id: str, *, revision: int = 0) -> Survey:
        """Takes respondents in again."""
        return self._change(survey_id, Survey.resume, revision)

    def close_field(self, survey_id: str, *, revision: int = 0) -> Survey:
        """Ends the field."""
        return self._change(survey_id, partial(Survey.close_field, now=identity.now()), revision)

    def confirm_analysis(self, survey_id: str, *, revision: int = 0) -> Survey:
        """Records that the results were read."""
        return self._change(survey_id, Survey.confirm_analysis, revision)

    def start_wave(self, survey_id: str, *, revision: int = 0) -> Survey:
        """Opens the field for the next wave."""
        return self._change(survey_id, partial(Survey.start_wave, now=identity.now()), revision)

    def _change(self, survey_id: str, change: Callable[[Survey], Change[Survey]], revision: int) -> Survey:
        """Writes, and keeps the version beside it when there is another one."""

        def work() -> Survey:
            before = self._store.surveys.get(survey_id)
            written = self._store.surveys.update(survey_id, change, revision=revision)
            if written.version > before.version:
                last = self._store.version(survey_id, before.version) if before.version else None
                kept = written.version_after(last)
                self._store.versions.insert((kept, []), key=f"{survey_id}:{written.version}")
            return written

        return self._store.database.transact(work)
