"""Queues: their content, their hours, and how they are doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import fmean

from libs.chassis import identity
from libs.chassis.paging import Page, PageRequest
from libs.worktime.refusals import NotEnoughWorkingTime
from services.interactions.calendars.application import Calendars
from services.interactions.routing.application.people import People
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import WorkQueue
from services.interactions.routing.domain.waits import QueueState, WaitEstimate, coverage, estimated_wait
from services.interactions.routing.domain.work import WorkState
from services.interactions.routing.store import COVERAGE_SPAN, RoutingStore

_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Scene:
    """Counts and agents of all queues at one moment."""

    counts: Mapping[WorkState, Mapping[str, tuple[int, datetime | None]]]
    agents: Sequence[QueueAgent]
    now: datetime

    def count(self, state: WorkState, queue_id: str) -> int:
        """Pieces of work of a queue in a state."""
        return self.counts.get(state, {}).get(queue_id, (0, None))[0]

    def working_on(self, queue_id: str) -> list[QueueAgent]:
        """Agents of a queue who are there."""
        return [each for each in self.agents if queue_id in each.queue_ids and not each.has_lapsed(self.now)]


class Queues:
    """Queues of work."""

    def __init__(self, store: RoutingStore) -> None:
        self._store = store
        self._people = People(store)
        self._calendars = Calendars(store.calendars)

    def create(self, draft: WorkQueue) -> WorkQueue:
        """A new queue."""
        self._check(draft)
        return self._store.queues.insert(lambda id: replace(draft, id=id).create())

    def redefine(self, draft: WorkQueue, *, revision: int = 0) -> WorkQueue:
        """A queue with another content."""
        self._check(draft)
        return self._store.queues.update(draft.id, lambda each: each.become(draft), revision=revision)

    def get(self, queue_id: str) -> WorkQueue:
        """One queue."""
        return self._people.queue(queue_id)

    def list(self, page: PageRequest) -> Page[WorkQueue]:
        """A page of all queues, by name."""
        return self._store.list_queues(self._people.vendor(), page)

    def state(self, queue_id: str) -> QueueState:
        """State of a queue."""
        return self._state(self._people.queue(queue_id), self._scene())

    def states(self, page: PageRequest) -> Page[QueueState]:
        """A page of the states of all queues, by name."""
        found, scene = self.list(page), self._scene()
        return Page([self._state(each, scene) for each in found.items], found.next_page_token)

    def estimate(self, queue_id: str) -> WaitEstimate:
        """Wait of whoever comes now."""
        return self._estimate(self._people.queue(queue_id), self._scene())

    def estimate_of(self, queue: WorkQueue) -> WaitEstimate:
        """The same, of a queue that was read already."""
        return self._estimate(queue, self._scene())

    def opens(self, queue: WorkQueue, now: datetime) -> datetime | None:
        """Time from which a queue takes work: now when it is open, None when it never opens again."""
        hours = self._calendars.hours(queue.calendar_id)
        if hours is None:
            return now
        try:
            return hours.add(now, _INSTANT) - _INSTANT
        except NotEnoughWorkingTime:
            return None

    def is_open(self, queue: WorkQueue, now: datetime) -> bool:
        """True in the hours of a queue."""
        opens = self.opens(queue, now)
        return opens is not None and opens <= now

    def _check(self, draft: WorkQueue) -> None:
        self._calendars.hours(draft.calendar_id)
        for each in draft.overflow:
            self._store.queues.get(each.queue_id)

    def _scene(self) -> Scene:
        states = (WorkState.QUEUED, WorkState.OFFERED, WorkState.CALLBACK_SCHEDULED, WorkState.ACCEPTED)
        counts = {state: self._store.in_state(state) for state in states}
        return Scene(counts, self._store.present(), identity.now())

    def _state(self, queue: WorkQueue, scene: Scene) -> QueueState:
        opens = self.opens(queue, scene.now)
        agents = scene.working_on(queue.id)
        return QueueState(
            queue_id=queue.id,
            display_name=queue.display_name,
            open=opens == scene.now,
            open_time=None if opens == scene.now else opens,
            waiting=scene.count(WorkState.QUEUED, queue.id),
            offered=scene.count(WorkState.OFFERED, queue.id),
            callbacks=scene.count(WorkState.CALLBACK_SCHEDULED, queue.id),
            handled=scene.count(WorkState.ACCEPTED, queue.id),
            oldest_enqueue_time=scene.counts[WorkState.QUEUED].get(queue.id, (0, None))[1],
            available_agents=sum(each.activity is Presence.AVAILABLE for each in agents),
            busy_agents=sum(each.activity in (Presence.BUSY, Presence.WRAP_UP) for each in agents),
            away_agents=sum(each.activity is Presence.BREAK for each in agents),
            estimate=self._estimate(queue, scene),
            as_of_time=scene.now,
        )

    def _estimate(self, queue: WorkQueue, scene: Scene) -> WaitEstimate:
        told = self._store.told_in(queue.id, scene.now - COVERAGE_SPAN)
        held_p50, count = coverage((p50, waited) for p50, _, waited in told)
        held_p90, _ = coverage((p90, waited) for _, p90, waited in told)
        measured = self._store.handling_of(queue.id)
        handling = fmean(measured) if measured else queue.handling_time.total_seconds()
        agents = [each for each in scene.working_on(queue.id) if each.presence is not Presence.BREAK]
        ahead = scene.count(WorkState.QUEUED, queue.id) + scene.count(WorkState.OFFERED, queue.id)
        found = WaitEstimate(
            known=bool(agents),
            ahead=ahead,
            agents=len(agents),
            handling_seconds=handling,
            measured=len(measured),
            told=count,
            held_p50=held_p50,
            held_p90=held_p90,
        )
        if any(each.can_take(1, scene.now) for each in agents) and not ahead:
            return found
        wait = estimated_wait(ahead, len(agents), max(handling, 1.0))
        if wait is None:
            return found
        return replace(found, mean_seconds=wait.mean, p50_seconds=wait.p50, p90_seconds=wait.p90)
