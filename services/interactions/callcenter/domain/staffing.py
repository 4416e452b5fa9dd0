"""Agents that an interval needs, and what callers get from so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, fsum
from typing import ClassVar

from libs.chassis.domain import InvalidArgument, OpenEnum
from services.interactions.callcenter.domain.erlang import Patient, Queue, queue

AGENTS_MAX = 10_000
"""Agents of one interval up to which a number that meets the target is looked for."""

HALF_HOUR = 1800.0
"""Seconds of an interval when nothing else is said."""
LOAD_MAX = 20_000.0
"""Erlangs, and callers who wait when nobody answers, up to which one interval is worked out: its states are summed."""
LOADS_MAX = 300_000.0
"""The same of all intervals of one request: below two seconds of work."""


class LoadTooLarge(InvalidArgument):
    """The load comes to {load} erlangs and waiting callers, and at most {most} are worked out: check the units."""

    wrong_field: ClassVar[str] = "demands"
    load: float
    most: float


class QueueModel(OpenEnum):
    """Formula that a figure comes from."""

    ERLANG_C = "ERLANG_C"
    ERLANG_A = "ERLANG_A"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerTarget:
    """Share of the callers of a tier who are to be answered within a time."""

    share: float
    within: float = 0.0
    """Seconds."""
    tier: str = ""
    """Tier that it is meant for. Empty for everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Calls that are expected in an interval."""

    calls: float = 0.0
    handling_time: float
    """Mean seconds that an agent spends on one, with the work after it."""
    length: float = HALF_HOUR
    """Seconds of the interval, half an hour when 0."""
    patience: float | None = None
    """Mean seconds after which a caller gives up. None when nobody is known to."""

    @property
    def offered(self) -> float:
        """Load in erlangs."""
        return self.calls * self.handling_time / (self.length or HALF_HOUR)

    @property
    def model(self) -> QueueModel:
        """Erlang A when it is known how long callers wait before they give up, else Erlang C."""
        return QueueModel.ERLANG_C if self.patience is None else QueueModel.ERLANG_A

    @property
    def cost(self) -> float:
        """States that are summed: the load, and the callers who would wait if nobody answered."""
        return self.offered + self.calls * (self.patience or 0.0) / (self.length or HALF_HOUR)

    def with_agents(self, agents: int) -> Queue:
        """The queue that so many agents make of it."""
        return queue(self.offered, agents, self.handling_time, self.patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """Agents for an interval, and what callers get from them."""

    model: QueueModel | None = None
    """None without calls."""
    agents: int
    """Agents who answer, at every moment of the interval."""
    rostered: int
    """Agents on the roster, of whom shrinkage takes its share."""
    service_level: float | None = None
    """Share answered in the time of the target that decided. None without calls."""
    mean_wait: float | None = None
    """Seconds."""
    occupancy: float | None = None
    abandoned: float | None = None
    decided_by: AnswerTarget | None = None
    """The target that needs the most agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """Figures of a queue with a number of agents."""

    model: QueueModel
    offered: float
    wait_probability: float
    service_level: float
    mean_wait: float
    occupancy: float
    abandoned: float


def figures(demand: Demand, agents: int, within: float) -> QueueFigures:
    """Service that callers get from so many agents. UnstableQueue when those cannot handle what is offered."""
    check_cost([demand])
    found = demand.with_agents(agents)
    return QueueFigures(
        model=QueueModel.ERLANG_C if isinstance(found, Patient) else QueueModel.ERLANG_A,
        offered=demand.offered,
        wait_probability=found.wait_probability,
        service_level=found.service_level(within),
        mean_wait=found.mean_wait,
        occupancy=found.occupancy,
        abandoned=found.abandoned,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Agents for a row of intervals."""

    intervals: tuple[Staffing, ...]
    agent_hours: float
    """Hours of the agents on the roster."""


def plan(demands: Sequence[Demand], targets: Sequence[AnswerTarget], *, shrinkage: float = 0.0) -> Plan:
    """Least agents that meet every target, interval by interval."""
    check_cost(demands)
    intervals = tuple(staff(each, targets, shrinkage=shrinkage) for each in demands)
    seconds = fsum(
        each.rostered * (demand.length or HALF_HOUR) for each, demand in zip(intervals, demands, strict=True)
    )
    return Plan(intervals=intervals, agent_hours=seconds / 3600)


def check_cost(demands: Sequence[Demand]) -> None:
    """Refuses what would cost too much before anything is worked out."""
    costs = [each.cost for each in demands]
    if (most := max(costs, default=0.0)) > LOAD_MAX:
        raise LoadTooLarge(load=round(most), most=LOAD_MAX)
    if (all := fsum(costs)) > LOADS_MAX:
        raise LoadTooLarge(load=round(all), most=LOADS_MAX)


def staff(demand: Demand, targets: Sequence[AnswerTarget], *, shrinkage: float = 0.0) -> Staffing:
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
        model=demand.model,
        agents=agents,
        rostered=ceil(round(agents / (1 - shrinkage), 9)),
        service_level=found.service_level(decided_by.within),
        mean_wait=found.mean_wait,
        occupancy=found.occupancy,
        abandoned=found.abandoned,
        decided_by=decided_by,
    )


def _least(demand: Demand, target: AnswerTarget) -> int:
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
