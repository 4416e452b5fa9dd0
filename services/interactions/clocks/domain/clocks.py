"""The clocks of one subject, and the messages, states and answers that move them.

A clock is nothing but its events: `libs.worktime.folding` says how it stands. A next response is a clock of its own
for every message that waits for one, all others are one clock for the whole life, which a reopening continues.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from libs.chassis.domain import OpenEnum
from libs.worktime.clock import CalendarVersion, Clock, ClockEvent, ClockEventKind, ClockState, Target
from libs.worktime.folding import HoursOf, append, fold
from services.interactions.clocks.domain.policies import ServiceMetric, ServicePolicyVersion


class MessageKind(OpenEnum):
    """Part that a message plays in a service."""

    CUSTOMER = "CUSTOMER"
    THANKS = "THANKS"
    AUTO_REPLY = "AUTO_REPLY"
    NOTE = "NOTE"
    ANSWER = "ANSWER"
    UPDATE = "UPDATE"
    ACKNOWLEDGEMENT = "ACKNOWLEDGEMENT"


_RESPONSES: Final = (ServiceMetric.FIRST_RESPONSE, ServiceMetric.NEXT_RESPONSE, ServiceMetric.SPEED_OF_ANSWER)
_FULFILS: Final = {
    MessageKind.ANSWER: (*_RESPONSES, ServiceMetric.UPDATE),
    MessageKind.UPDATE: (*_RESPONSES, ServiceMetric.UPDATE),
    MessageKind.ACKNOWLEDGEMENT: (*_RESPONSES, ServiceMetric.ACKNOWLEDGEMENT),
}
"""Kind of message → the metrics that it fulfils. Notes, thanks and auto-replies fulfil none and start none."""
_EVERY_TIME: Final = (ServiceMetric.NEXT_RESPONSE, ServiceMetric.UPDATE)
"""Metrics that begin anew, as clocks of their own, each time."""
_AT_OPENING: Final = tuple(metric for metric in ServiceMetric if metric is not ServiceMetric.NEXT_RESPONSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClock:
    """One clock of a subject: what it measures, and its events."""

    metric: ServiceMetric
    number: int = 1
    """Counts the clocks of the same metric."""
    events: tuple[ClockEvent, ...] = ()

    def state(self, at: datetime) -> ClockState:
        """Its state at a time as its events tell it. Pauses are told as running, because a target decides them."""
        state = ClockState.NOT_STARTED
        for event in self.events:
            if event.time <= at:
                state = _BECOMES.get(event.kind, state)
        return state

    def stands(self, at: datetime, hours_of: HoursOf) -> Clock:
        """The whole clock at a time."""
        return fold(self.events, at, hours_of)


_BECOMES: Final = {
    ClockEventKind.START: ClockState.RUNNING,
    ClockEventKind.FULFIL: ClockState.FULFILLED,
    ClockEventKind.CANCEL: ClockState.CANCELLED,
    ClockEventKind.REOPEN: ClockState.RUNNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClocks:
    """All clocks of a case, a complaint or a call. Every change says an id, so that a repeat changes nothing."""

    subject_id: str
    priority: int
    tier: str = ""
    policy: ServicePolicyVersion
    clocks: tuple[ServiceClock, ...] = ()
    waits_in: str = ""
    """State of the subject, which is the reason of a pause."""
    applied: frozenset[str] = frozenset()
    """Ids of the changes that were taken."""

    def open(self, id: str, at: datetime, metrics: Iterable[ServiceMetric] = _AT_OPENING) -> ServiceClocks:
        """Started: each metric that the policy limits for this priority and tier."""
        if id in self.applied:
            return self
        clocks = self.clocks
        for metric in metrics:
            clocks = self._started(clocks, metric, id, at)
        return self._with(id, clocks)

    def hear(self, id: str, kind: MessageKind, at: datetime) -> ServiceClocks:
        """A message was exchanged. Only what a customer writes in want of an answer starts anything."""
        if id in self.applied:
            return self
        clocks = self.clocks
        if kind is MessageKind.CUSTOMER:
            answered = not self._running(ServiceMetric.FIRST_RESPONSE, at)
            if answered and not self._running(ServiceMetric.NEXT_RESPONSE, at):
                clocks = self._started(clocks, ServiceMetric.NEXT_RESPONSE, id, at)
            return self._with(id, clocks)
        metrics = _FULFILS.get(kind, ())
        updated = ServiceMetric.UPDATE in metrics and self._running(ServiceMetric.UPDATE, at)
        clocks = self._each(clocks, metrics, ClockEvent(id=id, kind=ClockEventKind.FULFIL, time=at))
        if updated:
            clocks = self._started(clocks, ServiceMetric.UPDATE, id, at)
        return self._with(id, clocks)

    def enter(self, id: str, state: str, at: datetime) -> ServiceClocks:
        """The subject waits in another state, or works on. Targets say which states pause them."""
        if id in self.applied or state == self.waits_in:
            return self
        clocks = self.clocks
        if self.waits_in:
            clocks = self._each(
                clocks,
                ServiceMetric,
                ClockEvent(id=f"{id}:out", kind=ClockEventKind.RESUME, time=at, reason=self.waits_in),
            )
        if state:
            clocks = self._each(
                clocks, ServiceMetric, ClockEvent(id=f"{id}:in", kind=ClockEventKind.PAUSE, time=at, reason=state)
            )
        return replace(self._with(id, clocks), waits_in=state)

    def resolve(self, id: str, at: datetime) -> ServiceClocks:
        """The subject is resolved: its resolution is fulfilled, and nothing is owed while it stays so."""
        if id in self.applied:
            return self
        rest = [metric for metric in ServiceMetric if metric is not ServiceMetric.RESOLUTION]
        clocks = self._each(
            self.clocks, (ServiceMetric.RESOLUTION,), ClockEvent(id=id, kind=ClockEventKind.FULFIL, time=at)
        )
        return replace(
            self._with(id, self._each(clocks, rest, ClockEvent(id=id, kind=ClockEventKind.CANCEL, time=at))),
            waits_in="",
        )

    def cancel(self, id: str, at: datetime) -> ServiceClocks:
        """Nothing is owed any longer: merged, or opened by mistake."""
        if id in self.applied:
            return self
        return self._with(
            id, self._each(self.clocks, ServiceMetric, ClockEvent(id=id, kind=ClockEventKind.CANCEL, time=at))
        )

    def reopen(self, id: str, at: datetime) -> ServiceClocks:
        """The subject came back: its resolution runs on, and a next response and an update are owed."""
        if id in self.applied:
            return self
        clocks = tuple(
            self._told(clock, ClockEvent(id=id, kind=ClockEventKind.REOPEN, time=at), at)
            if clock.metric is ServiceMetric.RESOLUTION and clock.state(at) is ClockState.FULFILLED
            else clock
            for clock in self.clocks
        )
        for metric in _EVERY_TIME:
            clocks = self._started(clocks, metric, id, at)
        return self._with(id, clocks)

    def measure_by(
        self, id: str, policy: ServicePolicyVersion, at: datetime, *, priority: int = 0, tier: str | None = None
    ) -> ServiceClocks:
        """Another version, priority or tier from a time on. Clocks that it does not limit keep their target."""
        if id in self.applied:
            return self
        tier = self.tier if tier is None else tier
        asked = replace(self, policy=policy, priority=priority or self.priority, tier=tier)
        clocks = tuple(_retargeted(clock, asked.target(clock.metric), id, at) for clock in self.clocks)
        return replace(asked, clocks=clocks, applied=self.applied | {id})

    def count_in(self, id: str, calendar: CalendarVersion, at: datetime) -> ServiceClocks:
        """Another revision of the calendar from a time on, for clocks that are counted in it and have not ended."""
        if id in self.applied:
            return self
        clocks = tuple(
            self._told(clock, ClockEvent(id=id, kind=ClockEventKind.CALENDAR_CHANGED, time=at, calendar=calendar), at)
            if clock.state(at) is ClockState.RUNNING and _calendar_id(clock) == calendar.calendar_id
            else clock
            for clock in self.clocks
        )
        known = self.policy.calendar.calendar_id == calendar.calendar_id
        policy = replace(self.policy, calendar=calendar) if known else self.policy
        return replace(self._with(id, clocks), policy=policy)

    def target(self, metric: ServiceMetric) -> Target | None:
        """The target of a metric for the present priority and tier."""
        return self.policy.target(metric, self.priority, self.tier)

    def of(self, metric: ServiceMetric) -> tuple[ServiceClock, ...]:
        """The clocks of a metric, the oldest first."""
        return tuple(clock for clock in self.clocks if clock.metric is metric)

    def _running(self, metric: ServiceMetric, at: datetime) -> bool:
        return any(clock.state(at) is ClockState.RUNNING for clock in self.of(metric))

    def _started(
        self, clocks: tuple[ServiceClock, ...], metric: ServiceMetric, id: str, at: datetime
    ) -> tuple[ServiceClock, ...]:
        target, before = self.target(metric), [clock for clock in clocks if clock.metric is metric]
        if target is None or (before and metric not in _EVERY_TIME):
            return clocks
        if any(clock.state(at) is ClockState.RUNNING for clock in before):
            return clocks
        started = ClockEvent(id=id, kind=ClockEventKind.START, time=at, target=target)
        clock = self._told(ServiceClock(metric=metric, number=len(before) + 1), started, at)
        if self.waits_in:
            held = ClockEvent(id=f"{id}:held", kind=ClockEventKind.PAUSE, time=at, reason=self.waits_in)
            clock = self._told(clock, held, at)
        return (*clocks, clock)

    def _each(
        self, clocks: tuple[ServiceClock, ...], metrics: Iterable[ServiceMetric], event: ClockEvent
    ) -> tuple[ServiceClock, ...]:
        """Tells every running clock of these metrics the same."""
        chosen, at = frozenset(metrics), event.time
        return tuple(
            self._told(clock, event, at) if clock.metric in chosen and clock.state(at) is ClockState.RUNNING else clock
            for clock in clocks
        )

    @staticmethod
    def _told(clock: ServiceClock, event: ClockEvent, now: datetime) -> ServiceClock:
        return replace(clock, events=append(clock.events, event, now))

    def _with(self, id: str, clocks: tuple[ServiceClock, ...]) -> ServiceClocks:
        return replace(self, clocks=clocks, applied=self.applied | {id})


def _calendar_id(clock: ServiceClock) -> str:
    """Id of the calendar in which a clock is counted at last."""
    told = [event.target.calendar for event in clock.events if event.target is not None]
    return told[-1].calendar_id if told else ""


def _retargeted(clock: ServiceClock, target: Target | None, id: str, at: datetime) -> ServiceClock:
    """A running clock under another target. One that has ended, or that nothing is asked of, as it was."""
    if target is None or clock.state(at) is not ClockState.RUNNING:
        return clock
    event = ClockEvent(id=id, kind=ClockEventKind.POLICY_CHANGED, time=at, target=target)
    return replace(clock, events=append(clock.events, event, at))
