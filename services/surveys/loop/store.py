"""Alerts and findings by survey."""

from __future__ import annotations

from collections.abc import Sequence

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.surveys.loop.domain import Alert, AlertKind, Finding
from services.surveys.questionnaires.store import QuestionnairesStore

ALERTS_MAX = 50_000
FINDINGS_MAX = 1_000
ALERTS = (
    Index(("survey_id", "-create_time")),
    Index(("survey_id", "wave", "-create_time")),
    Index(("customer_id", "-create_time")),
    Index(("-create_time",)),
)
FINDINGS = (Index(("survey_id", "-create_time")),)
FILTER = FilterSpec({"survey_id": str, "wave": int, "kind": AlertKind, "customer_id": str})


class LoopStore:
    """What answers set off."""

    def __init__(self, database: Database, questionnaires: QuestionnairesStore) -> None:
        self.database = database
        self.questionnaires = questionnaires
        self.alerts = database.collection(Alert, "alerts", indexes=ALERTS)
        self.findings = database.collection(Finding, "findings", indexes=FINDINGS)

    def list(self, filter: str, request: PageRequest) -> Page[Alert]:
        """Alerts that meet an AIP-160 filter, the latest first."""
        return self.alerts.page(parse(filter, FILTER), request, order="-create_time")

    def alerts_of(self, survey_id: str, wave: int) -> Sequence[Alert]:
        """The alerts of a wave."""
        where = all_of(field("survey_id") == survey_id, field("wave") == wave)
        return self.alerts.find(where, order=None, limit=ALERTS_MAX)

    def list_findings(self, survey_id: str, request: PageRequest) -> Page[Finding]:
        """The findings of a survey, the latest first."""
        return self.findings.page(field("survey_id") == survey_id, request, order="-create_time")

    def findings_of(self, survey_id: str) -> Sequence[Finding]:
        """The latest findings of a survey."""
        return self.findings.find(field("survey_id") == survey_id, order="-create_time", limit=FINDINGS_MAX)
