"""The loop: answering alerts, acting on findings, telling respondents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from libs.chassis import context, identity
from libs.chassis.domain import Change
from libs.chassis.paging import Page, PageRequest
from services.surveys.collection.domain.responses import Response
from services.surveys.loop.domain import (
    Alert,
    AlertOutcome,
    Finding,
    LoopOpen,
    LoopStatus,
    alert_of,
    status,
)
from services.surveys.loop.store import LoopStore
from services.surveys.questionnaires.domain.surveys import Survey


class Loop:
    """What answers set off in the company."""

    def __init__(self, store: LoopStore) -> None:
        self._store = store

    # ------------------------------------------------------------------------------------------------------ alerts

    def watch(self, responses: Sequence[Response]) -> None:
        """Raises an alert for each response that asks for an answer, once each."""
        now = identity.now()
        for response in responses:
            survey = self._store.questionnaires.surveys.get(response.survey_id)
            alert = alert_of(response, survey, response.complete_time or now)
            if alert is not None:
                id = self._store.alerts.id_of(response.id)
                told = replace(alert, id=id)
                self._store.alerts.upsert_many(
                    [(told, None)], lambda each, _: each.tell() if not each.revision else (each, [])
                )

    def settle(self, alert_id: str, outcome: AlertOutcome, case_id: str = "") -> Alert:
        """Settles an alert, with what came of it."""
        now = identity.now()
        return self._store.alerts.update(alert_id, lambda each: each.settle(outcome, case_id, now))

    def follow(self, alert_id: str, case_id: str, outcome: AlertOutcome) -> None:
        """Settles the alert that a case answers, once the case is done. A repeat changes nothing."""
        now = identity.now()
        if self._store.alerts.find_by_id(alert_id) is not None:
            self._store.alerts.update_many([(alert_id, None)], lambda each, _: each.follow(outcome, case_id, now))

    def alerts(self, filter: str, request: PageRequest) -> Page[Alert]:
        """A page of alerts, the latest first."""
        return self._store.list(filter, request)

    # ---------------------------------------------------------------------------------------------------- findings

    def find(self, draft: Finding) -> Finding:
        """Keeps what the present wave taught."""
        survey = self._store.questionnaires.surveys.get(draft.survey_id)
        return self._store.findings.insert(lambda id: replace(draft, id=id).find(max(survey.wave, 1)))

    def plan(self, finding_id: str, action: str, owner: str, due_date: date | None) -> Finding:
        """Plans what is done about a finding."""
        owner = owner or context.current().actor
        return self._store.findings.update(finding_id, lambda each: each.plan(action, owner, due_date))

    def finish(self, finding_id: str) -> Finding:
        """Records that it was done."""
        return self._store.findings.update(finding_id, partial(Finding.finish, now=identity.now()))

    def verify(self, finding_id: str, *, confirmed: bool) -> Finding:
        """Records whether the present wave confirms that it helped."""
        finding = self._store.findings.get(finding_id)
        wave = self._store.questionnaires.surveys.get(finding.survey_id).wave
        return self._store.findings.update(finding_id, lambda each: each.verify(wave, confirmed=confirmed))

    def findings(self, survey_id: str, request: PageRequest) -> Page[Finding]:
        """A page of findings, the latest first: "you said, we did"."""
        return self._store.list_findings(survey_id, request)

    # ---------------------------------------------------------------------------------------------------- the whole

    def status(self, survey_id: str) -> LoopStatus:
        """How far the loop of the present wave is closed."""
        survey = self._store.questionnaires.surveys.get(survey_id)
        alerts = self._store.alerts_of(survey_id, survey.wave)
        return status(survey, alerts, self._store.findings_of(survey_id), identity.now())

    def share(self, survey_id: str) -> Survey:
        """Records that respondents know the results."""
        return self._change(survey_id, partial(Survey.share, now=identity.now()))

    def thank(self, survey_id: str) -> Survey:
        """Records that respondents were thanked."""
        return self._change(survey_id, partial(Survey.thank, now=identity.now()))

    def close(self, survey_id: str) -> Survey:
        """Closes a survey. LoopOpen names everything that is left to do."""

        def work() -> Survey:
            missing = self.status(survey_id).missing
            if missing:
                raise LoopOpen(survey_id=survey_id, missing=missing)
            return self._change(survey_id, Survey.close)

        surveys = self._store.questionnaires.surveys
        return self._store.database.transact(work, again=lambda: surveys.get(survey_id))

    def _change(self, survey_id: str, change: Callable[[Survey], Change[Survey]]) -> Survey:
        return self._store.questionnaires.surveys.update(survey_id, change)
