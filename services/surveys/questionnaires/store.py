"""Surveys by state and kind, and the versions that respondents were asked."""

from __future__ import annotations

from libs.chassis.filtering import FilterSpec, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.surveys.questionnaires.domain.surveys import Survey, SurveyKind, SurveyState, SurveyVersion

SURVEYS = (
    Index(("-create_time",)),
    Index(("state", "-create_time")),
    Index(("kind", "-create_time")),
)
FILTER = FilterSpec({"state": SurveyState, "kind": SurveyKind})


class QuestionnairesStore:
    """Surveys as they are, and what they asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.surveys = database.collection(Survey, "surveys", indexes=SURVEYS)
        self.versions = database.collection(SurveyVersion, "survey_versions", publishes=False)

    def list(self, filter: str, request: PageRequest) -> Page[Survey]:
        """Surveys that meet an AIP-160 filter, the latest first."""
        return self.surveys.page(parse(filter, FILTER), request, order="-create_time")

    def version(self, survey_id: str, number: int) -> SurveyVersion:
        """A version of a survey. NotFound when there is none."""
        return self.versions.get(self.versions.id_of(f"{survey_id}:{number}"))
