"""Everything that a respondent can do with a link, and everything that it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.surveys.collection.application.responses import Respondents
from services.surveys.collection.domain.responses import Response
from services.surveys.collection.domain.sheets import ItemAnswer, Progress, Visit
from services.surveys.collection.store import CollectionStore
from services.surveys.loop.domain import Finding, FindingState
from services.surveys.loop.store import LoopStore
from services.surveys.questionnaires.domain.surveys import Survey

TOLD = (FindingState.DONE, FindingState.VERIFIED)
"""States of a finding of which respondents are told: something was done."""
TOLD_MAX = 5
"""Findings that a respondent is told of at most, the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Afterwards:
    """What a respondent reads when nothing is asked any more."""

    survey: Survey
    done: Sequence[Finding]
    """Findings of earlier answers about which something was done: "you said, we did"."""


class Page:
    """The survey of a link, for whoever has the link."""

    def __init__(self, collection: CollectionStore, loop: LoopStore) -> None:
        self._respondents, self._loop = Respondents(collection), loop

    def open(self, survey_token: str) -> tuple[Visit, Progress | None]:
        """The survey of a link, and how far its respondent has come. Starts nothing."""
        return self._respondents.open(survey_token)

    def start(self, survey_token: str, *, language: str, device: str) -> Progress:
        """Starts the response, or goes on with it on another device."""
        return self._respondents.start(survey_token, language=language, device=device)

    def save(self, survey_token: str, answer: ItemAnswer, *, language: str, device: str) -> Progress:
        """Saves an answer."""
        return self._respondents.save(survey_token, [answer], language=language, device=device)

    def complete(self, survey_token: str) -> Response:
        """Hands the answers in."""
        return self._respondents.complete(survey_token)

    def afterwards(self, survey_token: str) -> Afterwards:
        """The survey of a link that may be used or over, and what came of earlier answers."""
        with self._respondents.entered(survey_token):
            survey = self._respondents.survey(survey_token)
            findings = self._loop.findings_of(survey.id)
        return Afterwards(survey=survey, done=[each for each in findings if each.state in TOLD][:TOLD_MAX])
