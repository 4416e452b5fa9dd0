"""Work items: something that one agent has to do, from waiting in a queue to done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.interactions.routing.domain.queues import AnswerGoal, SkillRequirement
from services.interactions.routing.domain.refusals import (
    NoteMissing,
    OfferLapsed,
    TransferToItself,
    WorkMoveForbidden,
    WorkWithAnother,
)
from services.interactions.routing.domain.waits import Wait
from services.interactions.timeline.domain import Link

REMEMBERED_STEPS = 20
"""Offers and transfers of one work item that are kept, the last ones."""
PAUSE_AFTER_REFUSAL = timedelta(seconds=30)
"""Time for which work is not offered again to the agent who let the last offer pass."""


class WorkState(OpenEnum):
    """State of a work item."""

    QUEUED = "QUEUED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    WRAP_UP = "WRAP_UP"
    CALLBACK_SCHEDULED = "CALLBACK_SCHEDULED"
    DONE = "DONE"
    ABANDONED = "ABANDONED"


WAITING = (WorkState.QUEUED, WorkState.OFFERED, WorkState.CALLBACK_SCHEDULED)
"""States in which nobody works on it yet."""
HELD = (WorkState.ACCEPTED, WorkState.WRAP_UP)
"""States in which an agent works on it."""


class OfferOutcome(OpenEnum):
    """End of an offer."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    LAPSED = "LAPSED"
    AGENT_GONE = "AGENT_GONE"
    WITHDRAWN = "WITHDRAWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkAttempt:
    """Offer of work to an agent, and its end."""

    agent_id: str
    offer_time: datetime
    end_time: datetime
    outcome: OfferOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTransfer:
    """Handing on of work to another queue."""

    from_queue_id: str
    to_queue_id: str
    note: str
    actor: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Call back that was agreed instead of waiting."""

    time: datetime
    number: str
    promise_id: str = ""
    """Promise to the customer. Empty for a caller who is not known as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """Result of work, as its agent saw it."""

    resolved: bool = False
    topic: str = ""
    cause: str = ""
    deviated_for_customer: bool = False
    """Set when a step was left out to help: no figure of speed counts it against the agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem(Entity):
    """Something that one agent has to do."""

    ID_PREFIX: ClassVar[str] = "work"

    queue_id: str
    customer_id: str = ""
    about: Link | None = None
    requirements: tuple[SkillRequirement, ...] = ()
    """Beside those of the queue."""
    units: int = 1
    tier: str = ""
    tier_rank: int = 0
    severity: int = 0
    handover: bool = False
    preferred_agent_id: str = ""
    excluded_agent_ids: tuple[str, ...] = ()
    state: WorkState = WorkState.QUEUED
    enqueue_time: datetime | None = None
    """Begin of the wait, which no return to the queue moves."""
    agent_id: str = ""
    offer_time: datetime | None = None
    accept_time: datetime | None = None
    end_time: datetime | None = None
    done_time: datetime | None = None
    wake_time: datetime | None = None
    """End of the offer, or the time of the callback."""
    told_p50_seconds: int | None = None
    told_p90_seconds: int | None = None
    waited_seconds: int | None = None
    handled_seconds: int | None = None
    takeover: bool = False
    """Set when its agent vanished in the middle of it."""
    callback: Callback | None = None
    attempts: tuple[WorkAttempt, ...] = ()
    transfers: tuple[WorkTransfer, ...] = ()
    result: WorkResult | None = None
    forced_reason: str = ""

    def enqueue(self, now: datetime, told: Wait | None) -> Change[WorkItem]:
        """This work as new in its queue. Whatever only the server writes is ignored."""
        queued = WorkItem(
            id=self.id,
            queue_id=self.queue_id,
            customer_id=self.customer_id,
            about=self.about,
            requirements=tuple(each.filled() for each in self.requirements),
            units=max(self.units, 1),
            tier=self.tier,
            tier_rank=self.tier_rank,
            severity=self.severity,
            handover=self.handover,
            preferred_agent_id=self.preferred_agent_id,
            excluded_agent_ids=self.excluded_agent_ids,
            enqueue_time=now,
            told_p50_seconds=None if told is None else round(told.p50),
            told_p90_seconds=None if told is None else round(told.p90),
        )
        return queued, [WorkQueued(work=queued)]

    @property
    def begin(self) -> datetime:
        """Begin of the wait."""
        if self.enqueue_time is None:
            raise ValueError(f"{self.id} was never enqueued")
        return self.enqueue_time

    def waited(self, now: datetime) -> timedelta:
        """Time since it was put into the queue."""
        return now - self.begin

    def slack(self, goal: AnswerGoal, now: datetime) -> timedelta:
        """Time that is left to its goal, below zero once it is missed."""
        return self.begin + goal.within - now

    def rests_from(self, agent_id: str, now: datetime) -> bool:
        """True while it is not to be offered to an agent: excluded, or the last one to let it pass, a moment ago."""
        if agent_id in self.excluded_agent_ids:
            return True
        last = self.attempts[-1] if self.attempts else None
        return (
            last is not None
            and last.agent_id == agent_id
            and last.outcome in (OfferOutcome.REFUSED, OfferOutcome.LAPSED)
            and now < last.end_time + PAUSE_AFTER_REFUSAL
        )

    def offer(self, agent_id: str, now: datetime, lasts: timedelta) -> Change[WorkItem]:
        """Offered to an agent for a time."""
        self._require(WorkState.QUEUED)
        offered = replace(
            self, state=WorkState.OFFERED, agent_id=agent_id, offer_time=now, wake_time=now + lasts, accept_time=None
        )
        return offered, [WorkOffered(work=offered)]

    def accept(self, agent_id: str, now: datetime) -> Change[WorkItem]:
        """Taken by the agent it is offered to. Its wait ends."""
        self._require(WorkState.OFFERED)
        self._require_agent(agent_id)
        if self.wake_time is not None and self.wake_time <= now:
            raise OfferLapsed(work_id=self.id, agent_id=agent_id, expire_time=self.wake_time.isoformat())
        return self.take(now)

    def assign(self, agent_id: str, reason: str, now: datetime) -> Change[WorkItem]:
        """Given to an agent by somebody who may, whatever the capacity."""
        self._require(WorkState.QUEUED)
        given = replace(self, agent_id=agent_id, offer_time=now, forced_reason=reason)
        return given.take(now)

    def give_back(self, outcome: OfferOutcome, now: datetime) -> Change[WorkItem]:
        """Back in the queue, at its old place. Nothing changes unless it is offered."""
        if self.state is not WorkState.OFFERED:
            return self, []
        returned = self._returned(outcome, now)
        return returned, [WorkReturned(work=returned)]

    def lapse(self, now: datetime) -> Change[WorkItem]:
        """Back in the queue when its offer ended, or due when the time of its callback came. Else unchanged."""
        if self.wake_time is None or self.wake_time > now:
            return self, []
        if self.state is WorkState.OFFERED:
            return self.give_back(OfferOutcome.LAPSED, now)
        if self.state is WorkState.CALLBACK_SCHEDULED:
            due = replace(self, state=WorkState.QUEUED, wake_time=None)
            return due, [WorkReturned(work=due)]
        return self, []

    def lose_agent(self, agent_id: str, now: datetime) -> Change[WorkItem]:
        """Back in the queue at its old place because its agent vanished, for takeover when it was begun."""
        if self.agent_id != agent_id or self.state in (WorkState.DONE, WorkState.ABANDONED, WorkState.QUEUED):
            return self, []
        begun = self.state in HELD
        returned = replace(self._returned(OfferOutcome.AGENT_GONE, now), takeover=begun or self.takeover)
        if begun:
            returned = replace(returned, handover=True)
        return returned, [WorkReturned(work=returned)]

    def finish(self, agent_id: str, now: datetime) -> Change[WorkItem]:
        """In wrap-up: the customer is served and the rest is paper."""
        self._require(WorkState.ACCEPTED)
        self._require_agent(agent_id)
        ended = replace(self, state=WorkState.WRAP_UP, end_time=now)
        return ended, [WorkEnded(work=ended)]

    def complete(self, agent_id: str, result: WorkResult, now: datetime) -> Change[WorkItem]:
        """Done."""
        self._require(*HELD)
        self._require_agent(agent_id)
        done = replace(
            self,
            state=WorkState.DONE,
            end_time=self.end_time or now,
            done_time=now,
            result=result,
            handled_seconds=round((now - (self.accept_time or now)).total_seconds()),
        )
        return done, [WorkCompleted(work=done)]

    def abandon(self, now: datetime) -> Change[WorkItem]:
        """Given up by the customer before anybody began."""
        self._require(*WAITING)
        returned = self._returned(OfferOutcome.WITHDRAWN, now) if self.state is WorkState.OFFERED else self
        waited = ceil(self.waited(now).total_seconds())
        left = replace(returned, state=WorkState.ABANDONED, done_time=now, wake_time=None, waited_seconds=waited)
        return left, [WorkAbandoned(work=left)]

    def transfer(self, agent_id: str, queue_id: str, note: str, actor: str, now: datetime) -> Change[WorkItem]:
        """In another queue with a note, with the wait it had."""
        self._require(*HELD)
        self._require_agent(agent_id)
        if not note.strip():
            raise NoteMissing
        if queue_id == self.queue_id:
            raise TransferToItself(queue_id=queue_id)
        step = WorkTransfer(from_queue_id=self.queue_id, to_queue_id=queue_id, note=note, actor=actor, time=now)
        moved = replace(
            self,
            queue_id=queue_id,
            state=WorkState.QUEUED,
            agent_id="",
            handover=True,
            accept_time=None,
            end_time=None,
            excluded_agent_ids=tuple(dict.fromkeys((*self.excluded_agent_ids, agent_id)))[-REMEMBERED_STEPS:],
            transfers=(*self.transfers, step)[-REMEMBERED_STEPS:],
        )
        return moved, [WorkTransferred(work=moved)]

    def call_back(self, callback: Callback, now: datetime) -> Change[WorkItem]:
        """Waits for a callback at a time, and keeps its place."""
        self._require(WorkState.QUEUED, WorkState.OFFERED)
        returned = self._returned(OfferOutcome.WITHDRAWN, now) if self.state is WorkState.OFFERED else self
        agreed = replace(returned, state=WorkState.CALLBACK_SCHEDULED, callback=callback, wake_time=callback.time)
        return agreed, [CallbackScheduled(work=agreed)]

    def erase(self) -> Change[WorkItem]:
        """Without words and number. Work that still waits ends: there is nobody left to do it for."""
        transfers = tuple(replace(each, note="") for each in self.transfers)
        callback = None if self.callback is None else replace(self.callback, number="")
        left = replace(self, transfers=transfers, callback=callback)
        if self.state in WAITING:
            left = replace(left, state=WorkState.ABANDONED, wake_time=None, agent_id="")
        if left == self:
            return self, []
        return left, [WorkErased(work=left)]

    def take(self, now: datetime) -> Change[WorkItem]:
        """In the hands of its agent. Its first wait is what counts."""
        waited = ceil(self.waited(now).total_seconds()) if self.waited_seconds is None else self.waited_seconds
        taken = replace(
            self._tried(OfferOutcome.ACCEPTED, now),
            state=WorkState.ACCEPTED,
            accept_time=now,
            wake_time=None,
            waited_seconds=waited,
        )
        return taken, [WorkAccepted(work=taken)]

    def _returned(self, outcome: OfferOutcome, now: datetime) -> WorkItem:
        tried = self._tried(outcome, now)
        return replace(tried, state=WorkState.QUEUED, agent_id="", wake_time=None, accept_time=None, end_time=None)

    def _tried(self, outcome: OfferOutcome, now: datetime) -> WorkItem:
        step = WorkAttempt(agent_id=self.agent_id, offer_time=self.offer_time or now, end_time=now, outcome=outcome)
        return replace(self, attempts=(*self.attempts, step)[-REMEMBERED_STEPS:], offer_time=None)

    def _require(self, *allowed: WorkState) -> None:
        if self.state not in allowed:
            raise WorkMoveForbidden(work_id=self.id, state=self.state, allowed=allowed)

    def _require_agent(self, agent_id: str) -> None:
        if self.agent_id != agent_id:
            raise WorkWithAnother(work_id=self.id, agent_id=self.agent_id, asked=agent_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkEvent(Event):
    """Something that happened to a work item. Carries it as it is afterwards."""

    work: WorkItem


class WorkQueued(WorkEvent):
    """Work was put into a queue."""


class WorkOffered(WorkEvent):
    """Work was offered to an agent."""


class WorkReturned(WorkEvent):
    """Work went back to its place in the queue."""


class WorkAccepted(WorkEvent):
    """An agent took work."""


class WorkEnded(WorkEvent):
    """An agent ended the talk and went on to the paper."""


class WorkCompleted(WorkEvent):
    """Work was done."""


class WorkTransferred(WorkEvent):
    """Work was handed on to another queue."""


class CallbackScheduled(WorkEvent):
    """A call back was agreed instead of waiting."""


class WorkAbandoned(WorkEvent):
    """A customer gave up waiting."""


class WorkErased(WorkEvent):
    """The personal words of work were erased."""
