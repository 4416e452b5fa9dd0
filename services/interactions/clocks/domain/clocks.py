"""The clocks of one subject, and the messages, states and answers that move them.

A clock is nothing but its events: `libs.worktime.folding` says how it stands. A next response is a clock of its own
for every message that waits for one, all others are one clock for the whole life, which a reopening continues.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from libs.chassis.domain import Open, OpenEnum
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


CLOCKS_OF_A_METRIC: Final = 100
"""Clocks of a metric that one subject has at most. What comes after them is not measured."""
CHANGES_REMEMBERED: Final = 100
"""Changes of which a repeat is recognized."""
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
class ToldPoint:
    """A warning or a breach that was told."""

    percent: int
    """Percentage of the target. 100 is the breach."""
    version: int
    """Number of the target among those that the clock has had."""
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachedPoint:
    """A warning or a breach that a clock has reached and that nobody was told."""

    metric: ServiceMetric
    number: int
    percent: int
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTarget:
    """Target that is asked of a metric."""

    metric: ServiceMetric
    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClock:
    """One clock of a subject: what it measures, and its events."""

    metric: ServiceMetric
    number: int = 1
    """Counts the clocks of the same metric."""
    events: tuple[ClockEvent, ...] = ()
    told: tuple[ToldPoint, ...] = ()
    """Warnings and breaches that were told: each once."""

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

    def untold(self, stands: Clock) -> list[ToldPoint]:
        """The points that it has reached as it stands, without those that were told."""
        last = len(stands.versions)
        points = [ToldPoint(percent=each.percent, version=last, time=each.time) for each in stands.warned]
        points += [
            ToldPoint(percent=100, version=number, time=each.breached_time)
            for number, each in enumerate(stands.versions, 1)
            if each.breached_time is not None
        ]
        known = {(each.percent, each.version) for each in self.told}
        return [each for each in points if (each.percent, each.version) not in known]


_BECOMES: Final = {
    ClockEventKind.START: ClockState.RUNNING,
    ClockEventKind.FULFIL: ClockState.FULFILLED,
    ClockEventKind.CANCEL: ClockState.CANCELLED,
    ClockEventKind.REOPEN: ClockState.RUNNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClocks:
    """All clocks of a case or a call. Every change says an id, so that a repeat changes nothing."""

    priority: int
    tier: str = ""
    policy_id: str = ""
    policy_version: int = 0
    targets: tuple[MetricTarget, ...] = ()
    """All that the policy asks for this priority and tier."""
    clocks: tuple[ServiceClock, ...] = ()
    waits_in: str = ""
    """State of the subject, which is the reason of a pause."""
    applied: Open[tuple[str, ...]] = ()
    """Ids of the last changes that were taken: opaque ones of the service or of a source of messages."""
    steps: int = 0
    """Changes so far."""

    @classmethod
    def under(cls, policy: ServicePolicyVersion, priority: int, tier: str = "") -> ServiceClocks:
        """Clocks that a version of a policy asks for, none of which has started."""
        return cls(
            priority=priority,
            tier=tier,
            policy_id=policy.policy_id,
            policy_version=policy.version,
            targets=_targets(policy, priority, tier),
        )

    @property
    def next_id(self) -> str:
        """Id for the next change, for subjects whose own state tells repeats."""
        return f"step {self.steps + 1}"

    def tell(self, at: datetime, hours_of: HoursOf) -> tuple[ServiceClocks, list[ReachedPoint]]:
        """With every warning and breach told that was reached up to a time, and those that were not told before."""
        reached: list[ReachedPoint] = []
        clocks = list[ServiceClock]()
        for clock in self.clocks:
            points = clock.untold(clock.stands(at, hours_of))
            clocks.append(replace(clock, told=(*clock.told, *points)) if points else clock)
            reached += [
                ReachedPoint(metric=clock.metric, number=clock.number, percent=each.percent, time=each.time)
                for each in points
            ]
        return (replace(self, clocks=tuple(clocks)), reached) if reached else (self, [])

    def wake_time(self, at: datetime, hours_of: HoursOf) -> datetime | None:
        """Time at which something is to be told: at once when it is overdue, never when nothing runs."""
        times = list[datetime]()
        for clock in self.clocks:
            stands = clock.stands(at, hours_of)
            if clock.untold(stands):
                return at
            if stands.wake_time is not None:
                times.append(stands.wake_time)
        return min(times, default=None)

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
            if not self.owes_response(at):
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
        asked = ServiceClocks.under(policy, priority or self.priority, tier)
        clocks = tuple(_retargeted(clock, asked.target(clock.metric), id, at) for clock in self.clocks)
        return replace(
            self._with(id, clocks),
            priority=asked.priority,
            tier=asked.tier,
            policy_id=asked.policy_id,
            policy_version=asked.policy_version,
            targets=asked.targets,
        )

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
        targets = tuple(
            replace(each, target=replace(each.target, calendar=calendar))
            if each.target.calendar.calendar_id == calendar.calendar_id
            else each
            for each in self.targets
        )
        return replace(self._with(id, clocks), targets=targets)

    def target(self, metric: ServiceMetric) -> Target | None:
        """The target of a metric for the present priority and tier."""
        return next((each.target for each in self.targets if each.metric is metric), None)

    def owes_response(self, at: datetime) -> bool:
        """True while a first or next response is owed."""
        return self._running(ServiceMetric.FIRST_RESPONSE, at) or self._running(ServiceMetric.NEXT_RESPONSE, at)

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
        if len(before) >= CLOCKS_OF_A_METRIC or any(clock.state(at) is ClockState.RUNNING for clock in before):
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
        applied = (*self.applied, id)[-CHANGES_REMEMBERED:]
        return replace(self, clocks=clocks, applied=applied, steps=self.steps + 1)


def _targets(policy: ServicePolicyVersion, priority: int, tier: str) -> tuple[MetricTarget, ...]:
    """All that a version asks for a priority and a tier."""
    asked = ((metric, policy.target(metric, priority, tier)) for metric in ServiceMetric)
    return tuple(MetricTarget(metric=metric, target=target) for metric, target in asked if target is not None)


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
