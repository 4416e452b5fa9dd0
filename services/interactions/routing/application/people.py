"""Agents: registering them, their presence, and the account of their time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from libs.chassis import context, identity
from libs.chassis.domain import NotFound
from libs.chassis.paging import Page, PageRequest
from libs.chassis.scopes import covers
from services.interactions.calendars.application import Calendars
from services.interactions.routing.domain.agents import ActivityTime, AgentTimes, Presence, QueueAgent, span_between
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.refusals import ActsForAnother, NoAgentOfCaller, TimeOutOfOrder
from services.interactions.routing.store import RoutingStore

SUPERVISE_SCOPE = "interactions.work.supervise"
ACCOUNT_DAYS = 31
"""Longest time that one account covers."""
WORKING = (Presence.BUSY, Presence.WRAP_UP)
THERE = (Presence.AVAILABLE, *WORKING)


class People:
    """Agents, and who of them the caller is."""

    def __init__(self, store: RoutingStore) -> None:
        self._store = store
        self._calendars = Calendars(store.calendars)

    # --------------------------------------------------------------------------------------------------- scope

    def vendor(self) -> str:
        """The outsourced organization that the caller works for. Empty for our own people."""
        agent = self._store.agent_of(context.current().actor)
        return agent.vendor if agent is not None else ""

    def queue(self, queue_id: str) -> WorkQueue:
        """A queue that the caller may see. NotFound for that of another organization, as if it did not exist."""
        queue, vendor = self._store.queues.get(queue_id), self.vendor()
        if vendor and queue.vendor != vendor:
            raise NotFound(WorkQueue, queue_id)
        return queue

    def visible_queue_ids(self) -> Sequence[str] | None:
        """The queues that the caller may see. None for all of them."""
        vendor = self.vendor()
        return [each.id for each in self._store.all_queues() if each.vendor == vendor] if vendor else None

    def acting(self, agent_id: str) -> QueueAgent:
        """The agent who acts: the caller, or another one for whom the caller may act."""
        here = context.current()
        own = self._store.agent_of(here.actor)
        if own is not None and agent_id in ("", own.id):
            return own
        if not agent_id:
            raise NoAgentOfCaller(principal=here.actor)
        if not covers(here.scopes, SUPERVISE_SCOPE):
            raise ActsForAnother(agent_id=agent_id, scope=SUPERVISE_SCOPE)
        return self.get(agent_id)

    # -------------------------------------------------------------------------------------------------- agents

    def register(self, draft: QueueAgent) -> QueueAgent:
        """Registers an agent, or changes what is registered."""
        for queue_id in draft.queue_ids:
            self._store.queues.get(queue_id)
        blank = QueueAgent(id=self._store.agents.id_of(draft.principal), principal=draft.principal)
        [agent] = self._store.agents.upsert_many([(blank, draft)], lambda known, told: told.register(known))
        return agent

    def get(self, agent_id: str) -> QueueAgent:
        """One agent."""
        agent, vendor = self._store.agents.get(agent_id), self.vendor()
        if vendor and agent.vendor != vendor:
            raise NotFound(QueueAgent, agent_id)
        return agent

    def list(self, page: PageRequest) -> Page[QueueAgent]:
        """A page of all agents, by principal."""
        return self._store.list_agents(self.vendor(), page)

    def renew(self, agent_id: str) -> QueueAgent:
        """Renews the lease of a presence."""
        now, agent = identity.now(), self.acting(agent_id)
        return self._store.agents.update(agent.id, lambda each: each.renew(now))

    def change(self, agent_id: str, change: Callable[[QueueAgent], QueueAgent]) -> QueueAgent:
        """Changes an agent and notes the stretch of time that ends with it. Belongs into a transaction."""
        before = self._store.agents.get(agent_id)
        after = self._store.agents.update(agent_id, lambda each: (change(each), []))
        self.account([(before, after)])
        return after

    def account(self, changes: Sequence[tuple[QueueAgent, QueueAgent]]) -> None:
        """Notes the stretches of time that ended with changes."""
        spans = [span for before, after in changes if (span := span_between(before, after)) is not None]
        if spans:
            keys = [f"{each.agent_id}:{each.start_time.isoformat()}:{each.activity}" for each in spans]
            self._store.spans.insert_many([(each, []) for each in spans], keys=keys)

    def times(self, agent_id: str, start: datetime, end: datetime) -> AgentTimes:
        """Accounts for the time of an agent."""
        agent, now = self.get(agent_id), identity.now()
        check_times(start, end, ACCOUNT_DAYS)
        end = max(min(end, now), start)
        spans = self._store.spans_of(agent.id, start, end)
        if agent.activity_time is not None and agent.activity_time < end:
            spans.append((agent.activity_time, end, agent.activity))
        cut = [(max(begins, start), min(ends, end), activity) for begins, ends, activity in spans]
        sums: dict[Presence, timedelta] = {}
        for begins, ends, activity in cut:
            sums[activity] = sums.get(activity, timedelta(0)) + (ends - begins)
        there = sum((sums.get(each, timedelta(0)) for each in THERE), timedelta(0))
        working = sum((sums.get(each, timedelta(0)) for each in WORKING), timedelta(0))
        return AgentTimes(
            agent_id=agent.id,
            start_time=start,
            end_time=end,
            activities=tuple(ActivityTime(activity=each, time=sums[each]) for each in Presence if each in sums),
            occupancy=working / there if there else None,
            adherence=self._adherence(agent, start, end, cut),
        )

    def _adherence(
        self, agent: QueueAgent, start: datetime, end: datetime, spans: Sequence[tuple[datetime, datetime, Presence]]
    ) -> float | None:
        hours = self._calendars.hours(agent.calendar_id)
        if hours is None or not (rostered := hours.elapsed(start, end)):
            return None
        there = [hours.elapsed(begins, ends) for begins, ends, activity in spans if activity in THERE]
        return sum(there, timedelta(0)) / rostered


def check_times(start: datetime, end: datetime, days: int) -> None:
    """Refuses a time that ends before it begins, or is longer than so many days."""
    if not timedelta(0) < end - start <= timedelta(days=days):
        raise TimeOutOfOrder(start_time=start.isoformat(), end_time=end.isoformat(), days=days)


def gone(agent: QueueAgent, now: datetime) -> QueueAgent:
    """The agent without presence and work."""
    left, _ = replace(agent).leave(now)
    return left
