"""Work: into a queue, offered, taken, handed on and done, with every step of it and its agent in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from libs.chassis import context, identity
from libs.chassis.domain import Change, NotFound
from libs.chassis.paging import Page, PageRequest
from libs.chassis.timers import NotYet
from libs.worktime.civil import CivilTime
from libs.worktime.terms import Term
from services.interactions.promises.domain import Promise
from services.interactions.routing.application.people import People, gone
from services.interactions.routing.application.queues import Queues
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.ranking import AssignmentDecision, Floor
from services.interactions.routing.domain.refusals import (
    AgentFull,
    AgentNotAvailable,
    CallbackOutOfHours,
    CallbacksNotOffered,
    QueueClosed,
    WorkMoveForbidden,
)
from services.interactions.routing.domain.waits import Wait
from services.interactions.routing.domain.work import Callback, OfferOutcome, WorkItem, WorkResult, WorkState
from services.interactions.routing.store import RoutingStore

PAUSE = timedelta(milliseconds=500)
"""Time between two decisions of a tenant in which something waits."""
PAIRS_AT_ONCE = 50
"""Offers that are stored in one transaction, so that few others are in its way."""
CALLBACK_GRACE = timedelta(minutes=15)
"""Time after the agreed one within which a callback keeps its promise."""
CALLBACK_TEXT = "We call you back."


class Works:
    """Work items and who gets them."""

    def __init__(self, store: RoutingStore) -> None:
        self._store = store
        self._people = People(store)
        self._queues = Queues(store)

    # ----------------------------------------------------------------------------------------------- customers

    def enqueue(self, draft: WorkItem) -> WorkItem:
        """New work in its queue, or in the first of its overflow that is open."""
        now = identity.now()

        def work() -> WorkItem:
            queue = self._place(self._people.queue(draft.queue_id), now)
            estimate = self._queues.estimate_of(queue)
            told = None
            if estimate.known:
                told = Wait(mean=estimate.mean_seconds, p50=estimate.p50_seconds, p90=estimate.p90_seconds)
            placed = replace(draft, queue_id=queue.id)
            return self._store.work.insert(lambda id: replace(placed, id=id).enqueue(now, told))

        return self._while_living(
            draft.customer_id, lambda: self._store.database.transact(work, again=self._store.work.made)
        )

    def get(self, work_id: str) -> WorkItem:
        """One work item."""
        item = self._store.work.get(work_id)
        visible = self._people.visible_queue_ids()
        if visible is not None and item.queue_id not in visible:
            raise NotFound(WorkItem, work_id)
        return item

    def list(self, filter: str, page: PageRequest) -> Page[WorkItem]:
        """A page of work, the longest in its queue first."""
        return self._store.list_work(filter, self._people.visible_queue_ids(), page)

    def abandon(self, work_id: str) -> WorkItem:
        """Given up by the customer."""
        now = identity.now()
        return self._step(self.get(work_id).id, lambda each: each.abandon(now), lambda agent: agent.drop(work_id, now))

    def call_back(self, work_id: str, time: datetime, number: str) -> WorkItem:
        """Agrees on a callback, which is a promise to the customer."""
        now, actor, item = identity.now(), context.current().actor, self.get(work_id)

        def work() -> WorkItem:
            queue = self._store.queues.get(item.queue_id)
            if not queue.callbacks_enabled:
                raise CallbacksNotOffered(queue_id=queue.id)
            opens = self._queues.opens(queue, time)
            if opens != time or time <= now:
                shown = "never again" if opens is None else opens.isoformat()
                raise CallbackOutOfHours(queue_id=queue.id, asked_time=time.isoformat(), open_time=shown)
            promise_id = ""
            if item.customer_id:
                made = self._store.promises.promises.insert(
                    lambda id: _promise(id, item, time).make(made_by=actor, now=now, hours=None)
                )
                promise_id = made.id
            agreed = Callback(time=time, number=number, promise_id=promise_id)
            return self._both(work_id, lambda each: each.call_back(agreed, now), lambda agent: agent.drop(work_id, now))

        return self._while_living(
            item.customer_id, lambda: self._store.database.transact(work, again=lambda: self.get(work_id))
        )

    # -------------------------------------------------------------------------------------------------- agents

    def appear(self, agent_id: str, presence: Presence) -> QueueAgent:
        """Sets the presence of an agent. One that goes offline gives all work back."""
        now, agent = identity.now(), self._people.acting(agent_id)

        def work() -> QueueAgent:
            if presence is Presence.OFFLINE:
                return self._leave(agent.id, now)
            return self._people.change(agent.id, lambda each: each.appear(presence, now)[0])

        return self._store.database.transact(work, again=lambda: self._store.agents.get(agent.id))

    def accept(self, work_id: str, agent_id: str) -> WorkItem:
        """Takes what is offered. One of several who try gets it."""
        now, agent = identity.now(), self._people.acting(agent_id)
        return self._step(work_id, lambda each: each.accept(agent.id, now), lambda each: each.hold(work_id, now))

    def refuse(self, work_id: str, agent_id: str) -> WorkItem:
        """Gives an offer back."""
        now, agent = identity.now(), self._people.acting(agent_id)

        def give_back(item: WorkItem) -> Change[WorkItem]:
            if item.state is not WorkState.OFFERED or item.agent_id != agent.id:
                raise WorkMoveForbidden(work_id=work_id, state=item.state, allowed=(WorkState.OFFERED,))
            return item.give_back(OfferOutcome.REFUSED, now)

        return self._step(work_id, give_back, lambda each: each.drop(work_id, now))

    def finish(self, work_id: str, agent_id: str) -> WorkItem:
        """Ends the talk."""
        now, agent = identity.now(), self._people.acting(agent_id)
        return self._step(
            work_id, lambda each: each.finish(agent.id, now), lambda each: each.hold(work_id, now, wraps_up=True)
        )

    def complete(self, work_id: str, agent_id: str, result: WorkResult) -> WorkItem:
        """Completes work, and with it keeps the promise to call back when it is in time."""
        now, agent = identity.now(), self._people.acting(agent_id)

        def work() -> WorkItem:
            done = self._both(
                work_id,
                lambda each: each.complete(agent.id, result, now),
                lambda each: each.drop(work_id, now, handled=True),
            )
            if done.callback is not None and done.callback.promise_id:
                self._store.promises.promises.update(done.callback.promise_id, lambda each: _kept(each, now))
            return done

        return self._store.database.transact(work, again=lambda: self._store.work.get(work_id))

    def transfer(self, work_id: str, agent_id: str, queue_id: str, note: str) -> WorkItem:
        """Hands work on to another queue, unless that is closed."""
        now, actor, agent = identity.now(), context.current().actor, self._people.acting(agent_id)

        def work() -> WorkItem:
            self._require_open(self._store.queues.get(queue_id), now)
            return self._both(
                work_id,
                lambda each: each.transfer(agent.id, queue_id, note, actor, now),
                lambda each: each.drop(work_id, now, handled=True, transferred=True),
            )

        customer_id = self.get(work_id).customer_id
        return self._while_living(
            customer_id, lambda: self._store.database.transact(work, again=lambda: self._store.work.get(work_id))
        )

    def assign(self, work_id: str, agent_id: str, reason: str) -> WorkItem:
        """Gives work to an agent, whatever else it has."""
        now, agent = identity.now(), self._people.get(agent_id)

        def work() -> WorkItem:
            item = self._store.work.get(work_id)
            taking = self._people.change(
                agent.id, lambda each: each.take(item.id, item.units, now, accepted=True, forced=True)
            )
            given = self._store.work.update(work_id, lambda each: each.assign(taking.id, reason, now))
            others = [each for each in self._store.present() if each.id != taking.id]
            floor = Floor([*others, self._store.agents.get(agent.id)], self._by_id(), (), now)
            self._keep([floor.forced(item, agent.id, reason)])
            return given

        return self._store.database.transact(work, again=lambda: self._store.work.get(work_id))

    def decisions(self, work_id: str) -> Sequence[AssignmentDecision]:
        """Every decision about work, the last first."""
        return self._store.decisions_of(self.get(work_id).id)

    # ---------------------------------------------------------------------------------------------- assignment

    def offer_next(self, agent_id: str) -> WorkItem | None:
        """Offers an agent what is next for it, or returns what is offered to it already."""
        agent = self._people.acting(agent_id)

        def work() -> WorkItem | None:
            here = self._store.agents.get(agent.id)
            offered = [each.work_id for each in here.held if not each.accepted]
            if offered:
                return self._store.work.get(offered[0])
            now = identity.now()
            if here.presence is not Presence.AVAILABLE or here.has_lapsed(now):
                raise AgentNotAvailable(agent_id=here.id, presence=here.presence)
            if here.free_units < 1:
                raise AgentFull(agent_id=here.id, free=here.free_units, units=1)
            decided = self._floor([here], now).decide(self._store.waiting(), pulled_by=here.id)
            stored = self._store_offers(decided[:1], now)
            return self._store.work.get(stored[0].work_id) if stored else None

        def again() -> WorkItem | None:
            held = [each.work_id for each in self._store.agents.get(agent.id).held]
            return self._store.work.get(held[0]) if held else None

        return self._store.database.transact(work, again=again)

    def route(self, _: Sequence[WorkItem]) -> None:
        """Shares out what waits. NotYet while some of it still does: everything is looked at again after a pause."""
        if left := self.dispatch():
            raise NotYet(identity.now() + PAUSE, f"{left} wait for an agent")

    def dispatch(self) -> int:
        """Shares out what waits among everybody who is there. Pieces of work that still wait."""
        now, waiting = identity.now(), self._store.waiting()
        if not waiting:
            return 0
        decided = self._floor(self._store.present(), now).decide(waiting)
        offered = 0
        for first in range(0, len(decided), PAIRS_AT_ONCE):
            some = decided[first : first + PAIRS_AT_ONCE]
            offered += len(self._store.database.transact(lambda some=some: self._store_offers(some, now)))  # type: ignore[misc]
        return len(waiting) - offered

    def _floor(self, agents: Sequence[QueueAgent], now: datetime) -> Floor:
        queues = self._by_id()
        open_ids = {each.id for each in queues.values() if self._queues.is_open(each, now)}
        return Floor(agents, queues, open_ids, now)

    def _by_id(self) -> dict[str, WorkQueue]:
        return {each.id: each for each in self._store.all_queues()}

    def _store_offers(self, decided: Sequence[AssignmentDecision], now: datetime) -> Sequence[AssignmentDecision]:
        """Those of the decisions that still hold, stored with the offers they make. Belongs into a transaction."""
        items = {each.id: each for each in self._store.work.batch_get([each.work_id for each in decided])}
        before = {each.id: each for each in self._store.agents.batch_get([each.agent_id for each in decided])}
        agents, queues, good = dict(before), self._by_id(), []
        for each in decided:
            item, agent = items[each.work_id], agents[each.agent_id]
            if item.state is WorkState.QUEUED and agent.can_take(item.units, now):
                agents[agent.id] = agent.take(item.id, item.units, now, accepted=False)
                good.append(each)
        lasting = {queue.id: queue.offer_time for queue in queues.values()}
        self._store.work.update_many(
            [(each.work_id, each) for each in good],
            lambda item, each: item.offer(each.agent_id, now, lasting[item.queue_id]),
        )
        self._store.agents.update_many(
            [(each.agent_id, items[each.work_id]) for each in good],
            lambda agent, item: (agent.take(item.id, item.units, now, accepted=False), []),
        )
        self._people.account([(before[id], after) for id, after in agents.items()])
        self._keep(good)
        return good

    def _keep(self, decided: Sequence[AssignmentDecision]) -> None:
        keys = [f"{each.work_id}:{each.agent_id}:{each.decide_time.isoformat()}" for each in decided]
        self._store.decisions.insert_many([(each, []) for each in decided], keys=keys)

    # --------------------------------------------------------------------------------------------------- clock

    def wake(self, due: Sequence[WorkItem]) -> None:
        """Takes back offers whose time is over, and puts callbacks that are due into their places."""
        for each in due:
            self._step(each.id, _lapse, _drop_lapsed(each.id), quiet=True)

    def lapse(self, due: Sequence[QueueAgent]) -> None:
        """Lets agents go whom nobody heard of, and their work back to its places."""
        for each in due:
            self._store.database.transact(lambda id=each.id: self._lapse(id))  # type: ignore[misc]

    def _lapse(self, agent_id: str) -> None:
        now = identity.now()
        if self._store.agents.get(agent_id).has_lapsed(now):
            self._leave(agent_id, now)

    def _leave(self, agent_id: str, now: datetime) -> QueueAgent:
        held = [each.work_id for each in self._store.agents.get(agent_id).held]
        if held:
            self._store.work.update_many([(each, agent_id) for each in held], lambda item, id: item.lose_agent(id, now))
        return self._people.change(agent_id, lambda each: gone(each, now))

    # --------------------------------------------------------------------------------------------------- steps

    def _step(
        self,
        work_id: str,
        change: Callable[[WorkItem], Change[WorkItem]],
        agent: Callable[[QueueAgent], QueueAgent],
        *,
        quiet: bool = False,
    ) -> WorkItem:
        return self._store.database.transact(
            lambda: self._both(work_id, change, agent, quiet=quiet), again=lambda: self._store.work.get(work_id)
        )

    def _both(
        self,
        work_id: str,
        change: Callable[[WorkItem], Change[WorkItem]],
        agent: Callable[[QueueAgent], QueueAgent],
        *,
        quiet: bool = False,
    ) -> WorkItem:
        """Changes work, and the agent who had it before. Belongs into a transaction."""
        before = self._store.work.get(work_id)
        after = self._store.work.update(work_id, change)
        if before.agent_id and not (quiet and after == before):
            self._people.change(before.agent_id, agent)
        return after

    def _place(self, queue: WorkQueue, now: datetime) -> WorkQueue:
        """The queue that new work goes to: this one, or an open one of its overflow."""
        is_open = self._queues.is_open(queue, now) or queue.waits_when_closed
        if is_open and queue.max_wait is None:
            return queue
        helping = (self._store.queues.get(each.queue_id) for each in queue.overflow)
        helpers = [each for each in helping if self._queues.is_open(each, now)]
        if not is_open:
            if not helpers:
                self._require_open(queue, now)
            return helpers[0]
        longest = (queue.max_wait or timedelta(0)).total_seconds()
        here = self._queues.estimate_of(queue)
        if here.known and here.p50_seconds <= longest:
            return queue
        for each in helpers:
            there = self._queues.estimate_of(each)
            if there.known and (not here.known or there.p50_seconds < here.p50_seconds):
                return each
        return queue

    def _require_open(self, queue: WorkQueue, now: datetime) -> None:
        opens = self._queues.opens(queue, now)
        if opens is None or opens > now:
            shown = "further notice" if opens is None else opens.isoformat()
            raise QueueClosed(queue_id=queue.id, open_time=shown)

    def _while_living(self, customer_id: str, store: Callable[[], WorkItem]) -> WorkItem:
        """Stores work of a customer, and takes its words away when the customer is erased meanwhile."""

        def withdraw(item: WorkItem) -> None:
            self._store.work.erase([item.id])
            self._store.work.update(item.id, WorkItem.erase)

        return self._store.customers.while_living({customer_id}, store, withdraw)


def _lapse(item: WorkItem) -> Change[WorkItem]:
    return item.lapse(identity.now())


def _drop_lapsed(work_id: str) -> Callable[[QueueAgent], QueueAgent]:
    return lambda agent: agent.drop(work_id, identity.now())


def _promise(id: str, item: WorkItem, time: datetime) -> Promise:
    at = time + CALLBACK_GRACE
    civil = CivilTime(date=at.date(), time_zone="UTC", minute=at.hour * 60 + at.minute)
    return Promise(
        id=id, customer_id=item.customer_id, text=CALLBACK_TEXT, about=item.about, term=Term(civil_time=civil)
    )


def _kept(promise: Promise, now: datetime) -> Change[Promise]:
    """Kept when it still can be. A promise that was broken before stays so."""
    if not promise.is_pending or promise.due_time is None or promise.due_time < now:
        return promise, []
    return promise.keep(now, now, None)
