"""How many agents an interval needs, and how long a caller in the queue still has to wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

from libs.chassis.domain import InvalidArgument
from services.interactions.callcenter.domain.erlang import Queue, UnstableQueue, queue

AGENTS_MAX = 10_000
"""Agents of one interval up to which a number that meets the target is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Share of the callers of a tier who are to be answered within a time."""

    share: float
    within: float
    """Seconds."""
    tier: str = ""
    """Tier that it is meant for; empty for everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Calls that are expected in an interval."""

    calls: float
    handling_time: float
    """Mean seconds that an agent spends on one, with the work after it."""
    length: float = 1800.0
    """Seconds of the interval."""
    patience: float | None = None
    """Mean seconds after which a caller gives up; None when nobody is known to."""

    @property
    def offered(self) -> float:
        """Load in erlangs."""
        return self.calls * self.handling_time / self.length

    def with_agents(self, agents: int) -> Queue:
        """The queue that so many agents make of it."""
        return queue(self.offered, agents, self.handling_time, self.patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """Agents for an interval, and what callers get from them."""

    agents: int
    """Agents who answer, at every moment of the interval."""
    rostered: int
    """Agents on the roster, of whom shrinkage takes its share."""
    service_level: float | None = None
    """Share answered in the time of the target that decided; None without calls."""
    mean_wait: float | None = None
    """Seconds."""
    occupancy: float | None = None
    abandoned: float | None = None
    decided_by: Target | None = None
    """The target that needs the most agents."""


def staff(demand: Demand, targets: Sequence[Target], *, shrinkage: float = 0.0) -> Staffing:
    """Least number of agents that meets every target.

    `shrinkage` is the share of paid time in which agents are not there: breaks, training, illness.
    """
    if not 0 <= shrinkage < 1:
        raise InvalidArgument.field("shrinkage", f"{shrinkage} is not a share from 0 to less than 1")
    if not targets:
        raise InvalidArgument.field("targets", "name at least one")
    if not demand.calls:
        return Staffing(agents=0, rostered=0)
    agents, decided_by = max(((_least(demand, target), target) for target in targets), key=lambda each: each[0])
    found = demand.with_agents(agents)
    return Staffing(
        agents=agents,
        rostered=ceil(round(agents / (1 - shrinkage), 9)),
        service_level=found.service_level(decided_by.within),
        mean_wait=found.mean_wait,
        occupancy=found.occupancy,
        abandoned=found.abandoned,
        decided_by=decided_by,
    )


def _least(demand: Demand, target: Target) -> int:
    if not 0 < target.share < 1 or target.within < 0:
        raise InvalidArgument.field("targets", f"{target.share} in {target.within} s: a share lies between 0 and 1")
    low = floor(demand.offered) if demand.patience is None else 0
    step = 1
    while demand.with_agents(low + step).service_level(target.within) < target.share:
        low, step = low + step, step * 2
        if low > AGENTS_MAX:
            raise InvalidArgument.field("targets", f"not even {AGENTS_MAX} agents answer {target.share:.0%} in time")
    high = low + step
    while high - low > 1:  # the service level grows with every agent
        middle = (low + high) // 2
        met = demand.with_agents(middle).service_level(target.within) >= target.share
        low, high = (low, middle) if met else (middle, high)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Time until a caller is answered, in seconds."""

    mean: float
    p50: float
    """Half of such callers wait no longer."""
    p90: float
    """Nine of ten such callers wait no longer; the time that is told to them."""


def estimated_wait(ahead: int, agents: int, handling_time: float) -> Wait:
    """Wait of a caller behind so many others while all agents are busy.

    Calls end at the rate agents / handling time, and ahead + 1 of them have to: an Erlang distribution.
    """
    from scipy.special import gammaincinv

    if agents < 1:
        raise UnstableQueue(agents=agents, offered=float(ahead), least=1)
    per_call = handling_time / agents
    p50, p90 = (float(gammaincinv(ahead + 1, share)) * per_call for share in (0.5, 0.9))
    return Wait(mean=(ahead + 1) * per_call, p50=p50, p90=p90)


def coverage(waits: Iterable[tuple[float, float]]) -> tuple[int, int]:
    """(callers who waited no longer than they were told, callers) over (told, waited)."""
    kept = [waited <= told for told, waited in waits]
    return sum(kept), len(kept)
