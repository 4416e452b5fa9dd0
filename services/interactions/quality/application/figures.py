"""Figures of what was settled: what stayed settled, what came back, causes, charts, and speed paired with outcome."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import fmean

from libs.chassis import identity
from libs.chassis.domain import NotFound
from services.interactions.callcenter.application.calls import LEVEL_DAYS
from services.interactions.callcenter.domain.levels import report
from services.interactions.quality.domain.charts import ChartKind, ChartPoint, ControlChart, chart
from services.interactions.quality.domain.resolutions import (
    CausePareto,
    ChannelConsistency,
    FirstContactResolution,
    PairedMetrics,
    RepeatContacts,
    Resolution,
    Settled,
    VendorReport,
    consistency,
    first_contacts,
    paired,
    pareto,
    repeats,
)
from services.interactions.quality.store import QualityStore
from services.interactions.routing.application.people import People, check_times
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.work import WorkItem

REPORT_DAYS = 400
"""Longest time of a figure over what was settled."""


class Figures:
    """Figures of quality."""

    def __init__(self, store: QualityStore) -> None:
        self._store = store
        self._people = People(store.routing)

    # ---------------------------------------------------------------------------------------------- settling

    def settle(self, done: Sequence[WorkItem]) -> None:
        """Takes in work that was done and left nothing to do, once for each piece. A case counts as a case."""
        new = [
            self._resolution(each)
            for each in done
            if each.result is not None and each.result.resolved and (each.about is None or each.about.kind != "case")
        ]
        self._store.resolutions.insert_many([each.settle() for each in new], keys=[each.id for each in new])

    def settle_cases(self, closed: Sequence[Resolution]) -> None:
        """Takes in cases that closed, each with its episodes. `id` tells which case."""
        self._store.resolutions.insert_many(
            [each.settle() for each in closed], keys=[f"{each.id}:{each.close_time.isoformat()}" for each in closed]
        )

    def judge(self, due: Sequence[Resolution]) -> None:
        """Tells whether customers came back, of everything whose window is over."""
        now = identity.now()
        found = []
        for each in due:
            back = [time for time, topic in self._store.recontacts(each) if each.meets(topic)]
            found.append((each.id, back[0] if back else None))
        self._store.resolutions.update_many(found, lambda each, back: each.judge(back, now))

    def _resolution(self, work: WorkItem) -> Resolution:
        queue, result = self._store.routing.queues.find_by_id(work.queue_id), work.result
        return Resolution(
            id=f"work:{work.id}",
            customer_id=work.customer_id,
            queue_id=work.queue_id,
            agent_id=work.agent_id,
            channel=queue.channel or "" if queue is not None else "",
            topic=result.topic if result is not None else "",
            cause=result.cause if result is not None else "",
            close_time=work.end_time or work.done_time or identity.now(),
        )

    # ----------------------------------------------------------------------------------------------- figures

    def first_contacts(self, start: datetime, end: datetime, queue_id: str) -> FirstContactResolution:
        """Share that was settled at the first contact."""
        return first_contacts(self._settled(start, end, queue_id))

    def repeats(self, start: datetime, end: datetime, queue_id: str) -> RepeatContacts:
        """What came back, by week and topic."""
        return repeats(self._settled(start, end, queue_id))

    def pareto(self, start: datetime, end: datetime, queue_id: str) -> CausePareto:
        """Causes, the most frequent first."""
        return pareto((each.cause, each.count) for each in self._settled(start, end, queue_id))

    def consistency(self, start: datetime, end: datetime, queue_id: str) -> ChannelConsistency:
        """How alike channels settle the same topic."""
        return consistency(self._settled(start, end, queue_id))

    def control_chart(self, start: datetime, end: datetime, queue_id: str) -> ControlChart:
        """The share that came back, by week."""
        sums: dict[str, tuple[int, int]] = {}
        for each in repeats(self._settled(start, end, queue_id)).weeks:
            back, settled = sums.get(each.week_date.isoformat(), (0, 0))
            sums[each.week_date.isoformat()] = back + each.recontacted, settled + each.settled
        points = [ChartPoint(label=week, defects=back, units=n) for week, (back, n) in sorted(sums.items()) if n]
        return chart(ChartKind.SHARES, points)

    def paired(self, queue_id: str, start: datetime, end: datetime) -> PairedMetrics:
        """Speed and outcome of a queue."""
        check_times(start, end, LEVEL_DAYS)
        return self._paired(self._people.queue(queue_id), start, end)

    def vendor_report(self, vendor: str, start: datetime, end: datetime) -> VendorReport:
        """Speed and outcome of the queues of an organization. Its own people get theirs, whatever they ask for."""
        check_times(start, end, LEVEL_DAYS)
        whose = self._people.vendor() or vendor
        queues = [each for each in self._store.routing.all_queues() if whose and each.vendor == whose]
        if not queues:
            raise NotFound(WorkQueue, f"of {whose or 'no vendor'}")
        return VendorReport(vendor=whose, queues=tuple(self._paired(each, start, end) for each in queues))

    def _paired(self, queue: WorkQueue, start: datetime, end: datetime) -> PairedMetrics:
        outcome = self._store.callcenter.outcome_between(queue.id, start, end)
        level = report(queue, self._store.callcenter.work_between(queue.id, start, end), outcome)
        handled = [seconds for _, _, seconds, deviated in self._store.handled(queue.id, start, end) if not deviated]
        return paired(
            queue.id,
            level.everybody,
            fmean(handled) if handled else None,
            outcome,
            first_contacts(self._store.settled(start, end, [queue.id])),
        )

    def _settled(self, start: datetime, end: datetime, queue_id: str) -> list[Settled]:
        check_times(start, end, REPORT_DAYS)
        if queue_id:
            return self._store.settled(start, end, [self._people.queue(queue_id).id])
        return self._store.settled(start, end, self._people.visible_queue_ids())
