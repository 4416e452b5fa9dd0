"""The difference that another policy or calendar makes to clocks, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from libs.worktime.clock import Clock, ClockEventKind, ClockState
from libs.worktime.folding import HoursOf, fold
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
class SimulatedService:
    """Outcome of the clocks of a metric under some policy."""

    metric: ServiceMetric
    met: int = 0
    breached: int = 0
    open: int = 0
    """Clocks that are neither fulfilled nor breached yet."""

    @property
    def share_met(self) -> float | None:
        """Share met of those whose outcome is known. None when there are none."""
        known = self.met + self.breached
        return self.met / known if known else None


def simulate(
    subjects: Iterable[ServiceClocks], policy: ServicePolicyVersion, at: datetime, hours_of: HoursOf
) -> dict[ServiceMetric, SimulatedService]:
    """The past as it would have gone under a version of a policy that had been in force from the first start."""
    found: dict[ServiceMetric, SimulatedService] = {}
    for subject in subjects:
        for clock in _under(subject, policy):
            tally = found.setdefault(clock.metric, SimulatedService(metric=clock.metric))
            stands = fold(clock.events, at, hours_of)
            if stands.breached_time is not None:
                tally = replace(tally, breached=tally.breached + 1)
            elif stands.state is ClockState.FULFILLED:
                tally = replace(tally, met=tally.met + 1)
            elif stands.state is not ClockState.CANCELLED:
                tally = replace(tally, open=tally.open + 1)
            found[clock.metric] = tally
    return found


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
