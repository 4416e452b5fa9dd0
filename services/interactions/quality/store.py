"""What was settled, audits, field reports and probes, and what is read of work, calls and interactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from libs.chassis.store.totals import Count, DayOf, Key
from services.interactions.callcenter.store import CallcenterStore
from services.interactions.quality.domain.audits import Audit, AuditSample
from services.interactions.quality.domain.reports import FieldReport, Probe
from services.interactions.quality.domain.resolutions import Resolution, ResolutionState, Settled
from services.interactions.routing.domain.work import WorkState
from services.interactions.routing.store import HANDLED
from services.interactions.timeline.domain import Direction

OPEN_WINDOW = field("due_time").exists()
"""Condition of a partial index. A query that is to use it repeats it."""
JUDGED_BATCH = 200
RECONTACTS_MAX = 50
"""Interactions and work of a customer within a window that are looked at."""
POPULATION_MAX = 50_000
"""Work that one sample is drawn from."""
AUDITS_MAX, PROBES_MAX = 1_000, 10_000

SETTLED = Index(("close_time", "queue_id", "channel", "topic", "cause", "state"))
REPORTED = Index(("week_date", "queue_id"))
PROBES = Index(("sent_time",))


class QualityStore:
    """Everything that quality is worked out from."""

    def __init__(self, database: Database, callcenter: CallcenterStore) -> None:
        self.database, self.callcenter = database, callcenter
        self.routing, self.timeline = callcenter.routing, callcenter.timeline
        self.resolutions = database.collection(
            Resolution,
            "resolutions",
            indexes=(
                SETTLED,
                Index(("customer_id", "-create_time")),
                Index(("due_time",), only=OPEN_WINDOW, every_tenant=True),
            ),
            publishes=False,
        )
        self.samples = database.collection(AuditSample, "audit_samples", publishes=False)
        self.audits = database.collection(Audit, "audits", indexes=(Index(("sample_id",)),), publishes=False)
        self.reports = database.collection(
            FieldReport,
            "field_reports",
            indexes=(Index(("queue_id", "-week_date")), REPORTED),
            publishes=False,
        )
        self.probes = database.collection(Probe, "probes", indexes=(PROBES,), publishes=False)

    # --------------------------------------------------------------------------------------------- resolutions

    def to_judge(self) -> Due[Resolution]:
        """Things whose window is over, the longest ago first."""
        return Due(
            self.resolutions,
            lambda now: all_of(OPEN_WINDOW, field("due_time") <= now),
            order="due_time",
            limit=JUDGED_BATCH,
        )

    def recontacts(self, settled: Resolution) -> list[tuple[datetime, str]]:
        """(time, topic) of what the customer came with inside of the window."""
        ids = self.timeline.customers.group(settled.customer_id)
        end = settled.due_time or settled.close_time
        inbound = all_of(
            field("customer_id").one_of(ids),
            field("direction") == Direction.INBOUND,
            field("occurred_time") > settled.close_time,
            field("occurred_time") <= end,
        )
        spoken = self.timeline.interactions.find(inbound, order="occurred_time", limit=RECONTACTS_MAX)
        came = all_of(
            field("customer_id").one_of(ids),
            field("enqueue_time") > settled.close_time,
            field("enqueue_time") <= end,
        )
        work = self.routing.work.find(came, order="enqueue_time", limit=RECONTACTS_MAX)
        again = [(each.begin, each.result.topic if each.result is not None else "") for each in work]
        return sorted([*((each.occurred_time, each.topic) for each in spoken), *again])

    def settled(self, start: datetime, end: datetime, queue_ids: Sequence[str] | None) -> list[Settled]:
        """What was settled in a time, counted by day, channel, topic, cause and state."""
        where = all_of(
            field("close_time") >= start,
            field("close_time") < end,
            field("queue_id").one_of(queue_ids) if queue_ids is not None else None,
        )
        keys: list[Key] = [DayOf("close_time", "UTC"), "channel", "topic", "cause", "state"]
        return [
            Settled(day=day, channel=channel, topic=topic, cause=cause, state=ResolutionState(state), count=count)
            for day, channel, topic, cause, state, count in self.resolutions.totals(
                where, keys, [Count()], index=SETTLED
            )
        ]

    # ---------------------------------------------------------------------------------------------------- work

    def handled(self, queue_id: str, start: datetime, end: datetime) -> list[tuple[str, str, int, bool]]:
        """(agent, work, seconds, whether a step was left out) of the work of a queue that was done in a time."""
        done = all_of(
            field("queue_id") == queue_id,
            field("state") == WorkState.DONE,
            field("done_time") >= start,
            field("done_time") < end,
        )
        paths = ["agent_id", "_id", "handled_seconds", "result.deviated_for_customer"]
        rows = self.routing.work.rows(done, paths, index=HANDLED, limit=POPULATION_MAX)
        return [(agent, work, seconds or 0, bool(deviated)) for agent, work, seconds, deviated in rows]

    # ------------------------------------------------------------------------------------------ what people told

    def audits_of(self, sample_id: str) -> list[Audit]:
        """The audits of a sample."""
        return self.audits.find(field("sample_id") == sample_id, order=None, limit=AUDITS_MAX)

    def list_reports(self, queue_id: str, page: PageRequest) -> Page[FieldReport]:
        """Field reports of a queue, the latest week first."""
        return self.reports.page(field("queue_id") == queue_id, page, order="-week_date")

    def reported(self, weeks: Sequence[date]) -> set[tuple[str, date]]:
        """(queue, Monday) of the weeks that somebody reported on."""
        told = field("week_date").one_of([each.isoformat() for each in weeks])
        found = self.reports.rows(told, ["queue_id", "week_date"], index=REPORTED)
        return {(queue_id, date.fromisoformat(week)) for queue_id, week in found}

    def probes_between(self, start: datetime, end: datetime) -> list[Probe]:
        """Probes that were sent in a time."""
        sent = all_of(field("sent_time") >= start, field("sent_time") < end)
        return self.probes.find(sent, order="sent_time", limit=PROBES_MAX)
