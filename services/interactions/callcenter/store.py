"""Calls and counts of calls, and what is read of queues, customers, promises and interactions with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index, Outcome
from libs.chassis.store.totals import Count
from services.interactions.callcenter.domain.calls import Call, CallState
from services.interactions.callcenter.domain.forecasting import CallCount
from services.interactions.callcenter.domain.levels import Arrival, ServiceOutcome
from services.interactions.cases.store import CasesStore
from services.interactions.routing.domain.work import HELD, WAITING, WorkItem, WorkState
from services.interactions.routing.store import RESULTS, SERVED, RoutingStore
from services.interactions.timeline.store import TimelineStore

LEVEL = Index(("queue_id", "ring_time", "tier", "state", "wait_seconds"))
COUNTS = Index(("queue_id", "start_time", "length_seconds", "offered", "estimated"))
CALLS = (Index(("queue_id", "-ring_time")), Index(("customer_id", "-create_time")), LEVEL)
COUNTS_MAX = 200_000
"""Counts that one forecast reads: more than two years of six minutes."""


class CallcenterStore:
    """Calls, counts, and the stores beside them."""

    def __init__(self, database: Database, routing: RoutingStore, timeline: TimelineStore, cases: CasesStore) -> None:
        self.database = database
        self.routing, self.timeline, self.cases, self.promises = routing, timeline, cases, cases.promises
        self.customers = timeline.customers
        self.calls = database.collection(Call, "calls", indexes=CALLS, publishes=False)
        self.counts = database.collection(CallCount, "call_counts", indexes=(COUNTS,), publishes=False)

    def list_calls(self, queue_id: str, page: PageRequest) -> Page[Call]:
        """Calls of a queue, the last ring first."""
        return self.calls.page(field("queue_id") == queue_id, page, order="-ring_time")

    def open_work_of(self, ids: Sequence[str], limit: int) -> tuple[list[WorkItem], str]:
        """(work of a customer that is not done, tier of the last work)."""
        last = self.routing.work.find(field("customer_id").one_of(ids), order="-enqueue_time", limit=limit)
        tier = next((each.tier for each in last if each.tier), "")
        return [each for each in last if each.state in (*WAITING, *HELD)], tier

    def calls_between(self, queue_id: str, start: datetime, end: datetime) -> list[Arrival]:
        """Calls of a queue that rang in a time and ended, counted by tier, end and wait."""
        rang = all_of(field("queue_id") == queue_id, field("ring_time") >= start, field("ring_time") < end)
        rows = self.calls.totals(rang, ["tier", "state", "wait_seconds"], [Count()], index=LEVEL)
        return [
            Arrival(tier=tier or "", answered=state != CallState.ABANDONED, wait_seconds=wait, count=count)
            for tier, state, wait, count in rows
            if wait is not None
        ]

    def work_between(self, queue_id: str, start: datetime, end: datetime) -> list[Arrival]:
        """Work of a queue that came in a time and was begun or given up, counted by tier, end and wait."""
        came = all_of(field("queue_id") == queue_id, field("enqueue_time") >= start, field("enqueue_time") < end)
        rows = self.routing.work.totals(came, ["tier", "state", "waited_seconds"], [Count()], index=SERVED)
        return [
            Arrival(tier=tier or "", answered=state != WorkState.ABANDONED, wait_seconds=wait, count=count)
            for tier, state, wait, count in rows
            if wait is not None
        ]

    def outcome_between(self, queue_id: str, start: datetime, end: datetime) -> ServiceOutcome:
        """Outcome of the work of a queue that was done in a time."""
        done = all_of(field("queue_id") == queue_id, field("done_time") >= start, field("done_time") < end)
        paths = ["state", "result.resolved", "result.deviated_for_customer"]
        rows = self.routing.work.totals(done, paths, [Count()], index=RESULTS)
        found = [(resolved, deviated, n) for state, resolved, deviated, n in rows if state == WorkState.DONE]
        total, resolved = sum(n for *_, n in found), sum(n for yes, _, n in found if yes)
        return ServiceOutcome(
            done=total,
            resolved=resolved,
            resolved_share=resolved / total if total else None,
            deviated_for_customer=sum(n for _, deviated, n in found if deviated),
        )

    def record_counts(self, counts: Sequence[CallCount]) -> Sequence[Outcome[CallCount]]:
        """Outcome of each count, recorded once for its interval."""
        keys = [f"{each.queue_id}:{each.start_time.isoformat()}" for each in counts]
        return self.counts.insert_many([each.record() for each in counts], keys=keys)

    def counts_between(self, queue_id: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, int, int]]:
        """(start, seconds, calls) of the intervals of a queue in a time, without those that somebody filled in."""
        where = all_of(field("queue_id") == queue_id, field("start_time") >= start, field("start_time") < end)
        paths = ["start_time", "length_seconds", "offered", "estimated"]
        for at, seconds, offered, estimated in self.counts.rows(where, paths, index=COUNTS, limit=COUNTS_MAX):
            if not estimated:
                yield at, seconds, offered
