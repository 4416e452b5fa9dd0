"""The difference that another policy or calendar makes to clocks, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from libs.worktime.clock import Clock, ClockEventKind, ClockState
from libs.worktime.folding import HoursOf
from services.interactions.clocks.domain.clocks import ServiceClock, ServiceClocks
from services.interactions.clocks.domain.policies import ServiceMetric, ServicePolicyVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDifference:
    """A clock that stands differently after a change."""

    subject_id: str
    metric: ServiceMetric
    number: int
    before: Clock
    after: Clock

    @property
    def newly_breached(self) -> bool:
        """True when it is breached only since the change."""
        return self.before.breached_time is None and self.after.breached_time is not None


def differences(
    subject_id: str, before: ServiceClocks, after: ServiceClocks, at: datetime, hours_of: HoursOf
) -> list[ClockDifference]:
    """Clocks whose due time, breach, state or time left are not as before."""
    found = []
    for old, new in zip(before.clocks, after.clocks, strict=True):
        was, is_now = old.stands(at, hours_of), new.stands(at, hours_of)
        if _told(was) != _told(is_now):
            found.append(
                ClockDifference(subject_id=subject_id, metric=new.metric, number=new.number, before=was, after=is_now)
            )
    return found


def _told(clock: Clock) -> tuple[object, ...]:
    return clock.state, clock.due_time, clock.breached_time, clock.left


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaTally:
    """Outcome of the clocks of a metric."""

    metric: ServiceMetric
    priority: int = 0
    """Priority of the subjects. 0 for all of them."""
    met: int = 0
    breached: int = 0
    open: int = 0
    """Clocks that are neither fulfilled nor breached yet."""

    @property
    def share_met(self) -> float | None:
        """Share met of those whose outcome is known. None when there are none."""
        known = self.met + self.breached
        return self.met / known if known else None

    def count(self, stands: Clock) -> SlaTally:
        """With one clock more. Cancelled ones do not count."""
        if stands.breached_time is not None:
            return replace(self, breached=self.breached + 1)
        if stands.state is ClockState.FULFILLED:
            return replace(self, met=self.met + 1)
        return self if stands.state is ClockState.CANCELLED else replace(self, open=self.open + 1)


def tally(subjects: Iterable[ServiceClocks], at: datetime, hours_of: HoursOf) -> tuple[SlaTally, ...]:
    """The clocks as they came out, by metric and by metric and priority."""
    found: dict[tuple[ServiceMetric, int], SlaTally] = {}
    for subject in subjects:
        for clock in subject.clocks:
            stands = clock.stands(at, hours_of)
            for priority in (0, subject.priority):
                key = clock.metric, priority
                blank = SlaTally(metric=clock.metric, priority=priority)
                found[key] = found.get(key, blank).count(stands)
    return tuple(found[key] for key in sorted(found, key=lambda key: (list(ServiceMetric).index(key[0]), key[1])))


def simulated(subject: ServiceClocks, policy: ServicePolicyVersion) -> ServiceClocks:
    """The past of a subject as it would have gone under a version that had been in force from its first start."""
    return replace(subject, clocks=tuple(_under(subject, policy)))


_CHANGES = (ClockEventKind.POLICY_CHANGED, ClockEventKind.CALENDAR_CHANGED)


def _under(subject: ServiceClocks, policy: ServicePolicyVersion) -> Iterator[ServiceClock]:
    """The clocks with the targets of another policy, and without the changes that they went through."""
    for clock in subject.clocks:
        target = policy.target(clock.metric, subject.priority, subject.tier)
        if target is not None:
            events = (
                replace(event, target=target) if event.kind is ClockEventKind.START else event
                for event in clock.events
                if event.kind not in _CHANGES
            )
            yield replace(clock, events=tuple(events))
