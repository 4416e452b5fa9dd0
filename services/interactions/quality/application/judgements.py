"""Judgements of people: audits, reports from the front line, and mystery customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from libs.chassis import context, identity
from libs.chassis.domain import NotFound
from libs.chassis.paging import Page, PageRequest
from services.interactions.callcenter.application.calls import LEVEL_DAYS
from services.interactions.quality.application.figures import REPORT_DAYS
from services.interactions.quality.domain.audits import (
    Audit,
    AuditNotAllowed,
    AuditResult,
    AuditSample,
    NothingToAudit,
    ScoreCriterion,
    drawn,
    result,
)
from services.interactions.quality.domain.reports import (
    FieldReport,
    MissingReport,
    MissingReports,
    Probe,
    ProbeReport,
    probed,
)
from services.interactions.quality.domain.resolutions import monday
from services.interactions.quality.store import QualityStore
from services.interactions.routing.application.people import People, check_times

WEEKS = 4
"""Weeks that are asked for missing reports when none are said."""


class Judgements:
    """Judgements of people about the work."""

    def __init__(self, store: QualityStore) -> None:
        self._store = store
        self._people = People(store.routing)

    # ------------------------------------------------------------------------------------------------ audits

    def draw(
        self,
        queue_id: str,
        start: datetime,
        end: datetime,
        *,
        size: int,
        seed: int,
        criteria: Sequence[ScoreCriterion],
    ) -> AuditSample:
        """Work of a queue, drawn at random to be audited."""
        check_times(start, end, LEVEL_DAYS)
        queue = self._people.queue(queue_id)

        def work() -> AuditSample:
            done = [(agent, id) for agent, id, _, _ in self._store.handled(queue.id, start, end)]
            if not done:
                raise NothingToAudit(queue_id=queue.id)
            sample = AuditSample(
                id=self._store.samples.next_id(),
                queue_id=queue.id,
                start_time=start,
                end_time=end,
                seed=seed,
                size=size,
                criteria=tuple(criteria),
                work_ids=drawn(done, size, seed),
                population=len(done),
            )
            return self._store.samples.insert((sample, []))

        return self._store.database.transact(work, again=self._store.samples.made)

    def sample(self, sample_id: str) -> AuditSample:
        """One sample."""
        sample = self._store.samples.get(sample_id)
        visible = self._people.visible_queue_ids()
        if visible is not None and sample.queue_id not in visible:
            raise NotFound(AuditSample, sample_id)
        return sample

    def audit(self, draft: Audit) -> Audit:
        """Scores of the caller for one piece of work, once."""
        sample, auditor = self.sample(draft.sample_id), context.current().actor
        own = self._store.routing.agent_of(auditor)
        key = f"{sample.id}:{draft.work_id}:{auditor}"

        def work() -> Audit:
            if self._store.audits.find_by_id(self._store.audits.id_of(key)) is not None:
                raise AuditNotAllowed(auditor=auditor, work_id=draft.work_id, why="they scored it before")
            item = self._store.routing.work.get(draft.work_id)
            is_own = own is not None and own.id == item.agent_id
            scored = sample.audit(draft, auditor=auditor, agent_id=item.agent_id, is_own=is_own)
            return self._store.audits.insert(scored.submit(), key=key)

        return self._store.database.transact(work, again=lambda: self._store.audits.get(self._store.audits.id_of(key)))

    def result(self, sample_id: str) -> AuditResult:
        """Scores of a sample, and the agreement of its auditors."""
        return result(self.sample(sample_id), self._store.audits_of(sample_id))

    # ----------------------------------------------------------------------------------------------- reports

    def report(self, draft: FieldReport) -> FieldReport:
        """A report from the front line, as it is written."""
        queue, author = self._people.queue(draft.queue_id), context.current().actor
        return self._store.reports.insert(lambda id: replace(draft, id=id, queue_id=queue.id).submit(author))

    def reports(self, queue_id: str, page: PageRequest) -> Page[FieldReport]:
        """A page of the reports of a queue, the latest week first."""
        return self._store.list_reports(self._people.queue(queue_id).id, page)

    def missing(self, start: date, weeks: int) -> MissingReports:
        """Reports that queues owe, of weeks that are over."""
        this_week, visible = monday(identity.now().date()), self._people.visible_queue_ids()
        asked = [monday(start) + timedelta(weeks=n) for n in range(weeks or WEEKS)]
        over = [each for each in asked if each < this_week]
        told = self._store.reported(over) if over else set()
        owing = [each for each in self._store.routing.all_queues() if each.weekly_report]
        return MissingReports(
            missing=tuple(
                MissingReport(queue_id=queue.id, display_name=queue.display_name, week_date=week)
                for queue in owing
                if visible is None or queue.id in visible
                for week in over
                if (queue.id, week) not in told
            )
        )

    # ------------------------------------------------------------------------------------------------ probes

    def probe(self, draft: Probe) -> Probe:
        """A probe of a mystery customer."""
        if draft.queue_id:
            self._people.queue(draft.queue_id)
        return self._store.probes.insert(lambda id: replace(draft, id=id).record())

    def probed(self, start: datetime, end: datetime) -> ProbeReport:
        """Experience of mystery customers, by channel."""
        check_times(start, end, REPORT_DAYS)
        channels = [each.channel for each in self._store.routing.all_queues() if each.channel is not None]
        return probed(self._store.probes_between(start, end), channels)
