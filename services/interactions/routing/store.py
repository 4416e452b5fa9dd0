"""Queues, agents with their time, work, and the decisions about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from libs.chassis.store.totals import Count, Least
from services.interactions.calendars.store import CalendarsStore
from services.interactions.customers.store import CustomersStore
from services.interactions.promises.store import PromisesStore
from services.interactions.routing.domain.agents import Presence, PresenceSpan, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.ranking import AssignmentDecision
from services.interactions.routing.domain.work import WorkItem, WorkState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WAKES = field("wake_time") > EPOCH
"""Condition of a partial index. A query that is to use it repeats it."""
QUEUED = field("state") == WorkState.QUEUED
"""Condition of a partial index. A query that is to use it repeats it."""
LEASED = field("lease_expire_time") > EPOCH
"""Condition of a partial index. A query that is to use it repeats it."""

QUEUES_MAX, AGENTS_MAX, WAITING_MAX = 500, 1_000, 2_000
"""Queues, agents who are there, and waiting work that one decision looks at. Work beyond waits for its turn."""
TIMER_BATCH = 200
DECISIONS_SHOWN = 50
HANDLING_SAMPLE = 200
"""Last pieces of work that a handling time is measured on."""
TOLD_SAMPLE = 5_000
"""Last pieces of work that the coverage of estimates is measured on."""
SPANS_MAX = 20_000
"""Stretches of time of one agent that one account adds up: 31 days of a change every two minutes."""

HANDLING = Index(("queue_id", "state", "-done_time", "handled_seconds"))
TOLD = Index(("queue_id", "-accept_time", "told_p50_seconds", "told_p90_seconds", "waited_seconds"))
SERVED = Index(("queue_id", "enqueue_time", "tier", "state", "waited_seconds"))
RESULTS = Index(("queue_id", "done_time", "state", "result.resolved", "result.deviated_for_customer"))
HANDLED = Index(("queue_id", "state", "done_time", "agent_id", "handled_seconds", "result.deviated_for_customer"))
BOARD = Index(("state", "queue_id", "enqueue_time"))
SPANS = Index(("agent_id", "end_time", "start_time", "activity"))

QUEUES = (
    Index(("display_name",), unique=True, taken="another queue has this display_name"),
    Index(("display_name",)),
    Index(("vendor", "display_name")),
)
AGENTS = (
    Index(("principal",)),
    Index(("vendor", "principal")),
    Index(("presence",)),
    Index(("lease_expire_time",), only=LEASED, every_tenant=True),
)
WORK = (
    Index(("customer_id", "-enqueue_time")),
    Index(("enqueue_time",)),
    Index(("queue_id", "enqueue_time")),
    Index(("agent_id", "enqueue_time")),
    Index(("state", "enqueue_time")),
    BOARD,
    HANDLING,
    TOLD,
    SERVED,
    RESULTS,
    HANDLED,
    Index(("enqueue_time",), only=QUEUED, every_tenant=True),
    Index(("wake_time",), only=WAKES, every_tenant=True),
)
DECISIONS = (Index(("work_id", "-decide_time")),)
FILTER = FilterSpec(
    {"queue_id": str, "state": WorkState, "agent_id": str, "customer_id": str, "enqueue_time": datetime}
)


class RoutingStore:
    """Everything that decides who gets what, and what is read of calendars, customers and promises for it."""

    def __init__(
        self, database: Database, customers: CustomersStore, calendars: CalendarsStore, promises: PromisesStore
    ) -> None:
        self.database = database
        self.customers, self.calendars, self.promises = customers, calendars, promises
        self.queues = database.collection(WorkQueue, "queues", indexes=QUEUES)
        self.agents = database.collection(QueueAgent, "queue_agents", indexes=AGENTS, publishes=False)
        self.spans = database.collection(PresenceSpan, "presence_spans", indexes=(SPANS,), publishes=False)
        self.work = database.collection(WorkItem, "work", indexes=WORK)
        self.decisions = database.collection(
            AssignmentDecision, "assignment_decisions", indexes=DECISIONS, publishes=False
        )

    # -------------------------------------------------------------------------------------------------- queues

    def list_queues(self, vendor: str, page: PageRequest) -> Page[WorkQueue]:
        """Queues by name, of one vendor if one is given."""
        return self.queues.page(field("vendor") == vendor if vendor else None, page, order="display_name")

    def all_queues(self) -> list[WorkQueue]:
        """Every queue."""
        return self.queues.find(None, order="display_name", limit=QUEUES_MAX)

    # -------------------------------------------------------------------------------------------------- agents

    def agent_of(self, principal: str) -> QueueAgent | None:
        """The agent that a principal is."""
        return self.agents.find_by_id(self.agents.id_of(principal))

    def list_agents(self, vendor: str, page: PageRequest) -> Page[QueueAgent]:
        """Agents by principal, of one vendor if one is given."""
        return self.agents.page(field("vendor") == vendor if vendor else None, page, order="principal")

    def present(self) -> list[QueueAgent]:
        """Agents who are there."""
        here = field("presence").one_of([each for each in Presence if each is not Presence.OFFLINE])
        return self.agents.find(here, order=None, limit=AGENTS_MAX)

    def lapsed(self) -> Due[QueueAgent]:
        """Agents whose presence ended, the longest ago first."""
        return Due(
            self.agents,
            lambda now: all_of(LEASED, field("lease_expire_time") <= now),
            order="lease_expire_time",
            limit=TIMER_BATCH,
        )

    def spans_of(self, agent_id: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime, Presence]]:
        """Stretches of the time of an agent that reach into a time."""
        where = all_of(field("agent_id") == agent_id, field("end_time") > start, field("start_time") < end)
        found = self.spans.rows(where, ["start_time", "end_time", "activity"], index=SPANS, limit=SPANS_MAX)
        return [(begins, ends, Presence(activity)) for begins, ends, activity in found]

    # ---------------------------------------------------------------------------------------------------- work

    def list_work(self, filter: str, queue_ids: Sequence[str] | None, page: PageRequest) -> Page[WorkItem]:
        """Work that meets an AIP-160 filter, of some queues if they are given, the longest in its queue first."""
        where = self.customers.condition(filter, FILTER)
        within = field("queue_id").one_of(queue_ids) if queue_ids is not None else None
        return self.work.page(all_of(where, within) if where or within else None, page, order="enqueue_time")

    def waiting(self) -> list[WorkItem]:
        """Work that waits for an agent, the longest first."""
        return self.work.find(QUEUED, order="enqueue_time", limit=WAITING_MAX)

    def to_route(self) -> Due[WorkItem]:
        """Work that waits for an agent."""
        return Due(self.work, lambda _: QUEUED, order="enqueue_time", limit=TIMER_BATCH)

    def to_wake(self) -> Due[WorkItem]:
        """Work whose offer ended or whose callback is due."""
        return Due(
            self.work, lambda now: all_of(WAKES, field("wake_time") <= now), order="wake_time", limit=TIMER_BATCH
        )

    def in_state(self, state: WorkState) -> dict[str, tuple[int, datetime | None]]:
        """Queue → (pieces of work in a state, begin of the longest wait among them)."""
        rows = self.work.totals(field("state") == state, ["queue_id"], [Count(), Least("enqueue_time")], index=BOARD)
        return {queue_id: (count, oldest) for queue_id, count, oldest in rows}

    def handling_of(self, queue_id: str) -> list[int]:
        """Seconds that the last pieces of work of a queue took."""
        done = all_of(field("queue_id") == queue_id, field("state") == WorkState.DONE)
        rows = self.work.rows(done, ["handled_seconds"], index=HANDLING, order="-done_time", limit=HANDLING_SAMPLE)
        return [seconds for (seconds,) in rows if seconds is not None]

    def told_in(self, queue_id: str, since: datetime) -> list[tuple[int, int, int]]:
        """(P50, P90, wait) in seconds of the work of a queue that was accepted since then and told a wait before."""
        where = all_of(field("queue_id") == queue_id, field("accept_time") >= since)
        paths = ["told_p50_seconds", "told_p90_seconds", "waited_seconds"]
        rows = self.work.rows(where, paths, index=TOLD, order="-accept_time", limit=TOLD_SAMPLE)
        return [(p50, p90, waited) for p50, p90, waited in rows if None not in (p50, p90, waited)]

    def decisions_of(self, work_id: str) -> list[AssignmentDecision]:
        """The last decisions about work."""
        return self.decisions.find(field("work_id") == work_id, order="-decide_time", limit=DECISIONS_SHOWN)


COVERAGE_SPAN = timedelta(days=7)
"""Time over which the coverage of estimates is measured."""
