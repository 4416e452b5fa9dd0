"""Ranking of work and its assignment to agents, with every number that decided.

`rank = weight * (w_t*tier + w_s*max(0, 1 - slack/goal) + w_a*ln(1 + waited seconds) + w_v*severity + w_h*handover)`,
and the penalty of an agent is `skill gap + load + transfer risk - affinity`. Few pieces of work are taken greedily by
rank, a block of them by least penalty over all (Jonker and Volgenant, as scipy has it), where leaving out a higher rank
costs more. Ties go to whoever has been idle the longest, then to the smaller id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import log1p
from typing import Any, ClassVar

import numpy as np

from libs.chassis.domain import Entity, OpenEnum
from services.interactions.routing.domain.agents import Presence, QueueAgent
from services.interactions.routing.domain.queues import SkillKind, SkillRequirement, WorkQueue
from services.interactions.routing.domain.work import WorkItem

GREEDY_LIMIT = 4
"""Pieces of work up to which each simply takes the cheapest agent."""
CANDIDATES_KEPT = 20
"""Agents of a decision that are kept, the cheapest. The others are counted by the reason that ruled them out."""
TOP_LEVEL = 10
"""Highest level of a skill."""
_IMPOSSIBLE = 1e6
"""Cost of leaving work out, far above every other."""
_TIE = 1e-6
"""Cost of one place in the order of idleness, far below every other."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Unfit(OpenEnum):
    """Reason that rules an agent out."""

    PRESENCE = "PRESENCE"
    QUEUE = "QUEUE"
    SKILL = "SKILL"
    LANGUAGE = "LANGUAGE"
    EXCLUDED = "EXCLUDED"
    CAPACITY = "CAPACITY"


class AssignmentMethod(OpenEnum):
    """Way in which an agent was found."""

    GREEDY = "GREEDY"
    MIN_COST = "MIN_COST"
    PULLED = "PULLED"
    FORCED = "FORCED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityParts:
    """Rank of work and what it is made of, each part already weighted."""

    tier: float
    slack: float
    age: float
    severity: float
    handover: float
    weight: float
    rank: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Agent who could have been chosen, with its penalty and what it is made of."""

    agent_id: str
    skill_gap: float
    load: float
    transfer_risk: float
    affinity: float
    penalty: float
    idle_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitCount:
    """Number of agents who were ruled out for one reason."""

    reason: Unfit
    agents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentDecision(Entity):
    """Decision about who gets a piece of work, whole, as it was made."""

    ID_PREFIX: ClassVar[str] = "dec"

    work_id: str
    queue_id: str
    agent_id: str
    decide_time: datetime
    method: AssignmentMethod
    place: int
    """Place in the rank of everything that waited, from 1."""
    waiting: int
    priority: PriorityParts
    relaxed_levels: int = 0
    overflow_queue_ids: tuple[str, ...] = ()
    """Queues whose agents were asked beside its own."""
    requirements: tuple[SkillRequirement, ...] = ()
    """Requirements as they were after relaxation."""
    candidates: tuple[Candidate, ...] = ()
    unfit: tuple[UnfitCount, ...] = ()
    reason: str = ""
    """Reason of whoever forced it."""


def priority(item: WorkItem, queue: WorkQueue, now: datetime) -> PriorityParts:
    """Rank of a work item in its queue at a time."""
    weights, goal = queue.ranking, queue.goal(item.tier)
    within = max(goal.within.total_seconds(), 1.0)
    parts = {
        "tier": weights.tier * item.tier_rank / 1000,
        "slack": weights.slack * max(0.0, 1 - item.slack(goal, now).total_seconds() / within) / 1000,
        "age": weights.age * log1p(max(item.waited(now).total_seconds(), 0.0)) / 1000,
        "severity": weights.severity * item.severity / 1000,
        "handover": weights.handover * item.handover / 1000,
    }
    weight = queue.weight_percent / 100
    return PriorityParts(**parts, weight=weight, rank=weight * sum(parts.values()))


@dataclass(frozen=True, slots=True)
class _Wish:
    """Everything about work that decides which agents are fit, and how well."""

    queue_ids: tuple[str, ...]
    needed: tuple[SkillRequirement, ...]
    wanted: tuple[SkillRequirement, ...]


@dataclass(frozen=True, slots=True)
class _Fit:
    """Fitness of all agents for one wish."""

    unfit: tuple[Unfit | None, ...]
    possible: Any
    gaps: Any


@dataclass(slots=True)
class Floor:
    """Agents and queues at one moment, and how work is shared out among them."""

    agents: Sequence[QueueAgent]
    queues: Mapping[str, WorkQueue]
    open_ids: Collection[str]
    """Queues that are open, whose agents may help out."""
    now: datetime
    _fits: dict[_Wish, _Fit] = field(default_factory=dict)
    _free: Any = None

    def __post_init__(self) -> None:
        by_idleness = sorted(self.agents, key=lambda each: (each.idle_since_time or _LONG_AGO, each.id))
        self.agents = by_idleness
        self._free = np.array([each.free_units if each.can_take(0, self.now) else -1 for each in by_idleness])

    def decide(self, items: Sequence[WorkItem], *, pulled_by: str = "") -> list[AssignmentDecision]:
        """Decisions for as much work as there are agents for, the highest rank first."""
        known = [each for each in items if each.queue_id in self.queues]
        ranked = sorted(
            ((priority(each, self.queues[each.queue_id], self.now), each) for each in known),
            key=lambda pair: (-pair[0].rank, pair[1].begin, pair[1].id),
        )
        left = [(place, parts, each) for place, (parts, each) in enumerate(ranked, 1)]
        decided: list[AssignmentDecision] = []
        loads = np.array([each.load for each in self.agents])
        risks = np.array([each.transfer_risk for each in self.agents])
        while True:
            rows = self._rows(left)
            if not rows:
                return decided
            fits = [self._fit(self._wish(each)) for _, _, each in rows]
            affinity = np.array([[a.id == each.preferred_agent_id for a in self.agents] for _, _, each in rows], float)
            gaps = np.array([each.gaps for each in fits])
            costs = gaps + loads + risks - affinity
            possible = np.array([self._possible(each) for _, _, each in rows])
            method = AssignmentMethod.GREEDY if len(rows) <= GREEDY_LIMIT else AssignmentMethod.MIN_COST
            pairs = _pairs(costs, possible, method)
            for row, column in pairs:
                place, parts, each = rows[row]
                made = self._decision(each, column, parts, place=place, waiting=len(known), loads=loads, risks=risks)
                decided.append(replace(made, method=AssignmentMethod.PULLED if pulled_by else method))
            for row, column in pairs:
                self._free[column] -= rows[row][2].units
                loads[column] = 1 - self._free[column] / self.agents[column].capacity_units
            gone = {rows[row][2].id for row, _ in pairs}
            left = [each for each in left if each[2].id not in gone]

    def fits(self, item: WorkItem, agent_id: str) -> bool:
        """True when an agent can do a piece of work now."""
        column = next((n for n, each in enumerate(self.agents) if each.id == agent_id), None)
        return column is not None and bool(self._possible(item)[column])

    def forced(self, item: WorkItem, agent_id: str, reason: str) -> AssignmentDecision:
        """The decision of somebody who may, with what would have spoken for others."""
        column = next(n for n, each in enumerate(self.agents) if each.id == agent_id)
        loads = np.array([each.load for each in self.agents])
        risks = np.array([each.transfer_risk for each in self.agents])
        parts = priority(item, self.queues[item.queue_id], self.now)
        made = self._decision(item, column, parts, place=1, waiting=1, loads=loads, risks=risks)
        return replace(made, method=AssignmentMethod.FORCED, reason=reason)

    def _rows(
        self, left: Sequence[tuple[int, PriorityParts, WorkItem]]
    ) -> Sequence[tuple[int, PriorityParts, WorkItem]]:
        """The highest ranks that somebody can take, no more than there are agents."""
        most = int((self._free > 0).sum())
        rows: list[tuple[int, PriorityParts, WorkItem]] = []
        for each in left:
            if len(rows) >= most:
                break
            if self._possible(each[2]).any():
                rows.append(each)
        return rows

    def _possible(self, item: WorkItem) -> Any:
        possible = self._fit(self._wish(item)).possible & (self._free >= item.units)
        if item.excluded_agent_ids or item.attempts:
            possible &= np.array([not item.rests_from(each.id, self.now) for each in self.agents], bool)
        return possible

    def _wish(self, item: WorkItem) -> _Wish:
        queue, waited = self.queues[item.queue_id], item.waited(self.now)
        wanted = (*queue.requirements, *item.requirements)
        needed = tuple(filter(None, (each.relaxed(queue.given_up(waited)) for each in wanted)))
        return _Wish((queue.id, *self.helpers(queue, waited)), needed, wanted)

    def helpers(self, queue: WorkQueue, waited: timedelta) -> tuple[str, ...]:
        """Open queues whose agents help out after a wait."""
        return tuple(
            each.queue_id for each in queue.overflow if each.after <= waited and each.queue_id in self.open_ids
        )

    def _fit(self, wish: _Wish) -> _Fit:
        if wish not in self._fits:
            unfit = tuple(self._unfit(each, wish) for each in self.agents)
            gaps = [
                sum(max(r.level - each.level(r, self.now), 0) for r in wish.wanted) / TOP_LEVEL for each in self.agents
            ]
            self._fits[wish] = _Fit(unfit, np.array([each is None for each in unfit]), np.array(gaps))
        return self._fits[wish]

    def _unfit(self, agent: QueueAgent, wish: _Wish) -> Unfit | None:
        if agent.presence is not Presence.AVAILABLE or agent.has_lapsed(self.now):
            return Unfit.PRESENCE
        if not set(agent.queue_ids) & set(wish.queue_ids):
            return Unfit.QUEUE
        lacking = agent.lacks(wish.needed, self.now)
        if lacking is None:
            return None
        return Unfit.LANGUAGE if lacking.kind is SkillKind.LANGUAGE else Unfit.SKILL

    def _decision(
        self,
        item: WorkItem,
        column: int,
        parts: PriorityParts,
        *,
        place: int,
        waiting: int,
        loads: Any,
        risks: Any,
    ) -> AssignmentDecision:
        wish, queue = self._wish(item), self.queues[item.queue_id]
        fit = self._fit(wish)
        candidates, ruled_out = [], Counter[Unfit]()
        for n, agent in enumerate(self.agents):
            reason = fit.unfit[n]
            if reason is None and n != column and item.rests_from(agent.id, self.now):
                reason = Unfit.EXCLUDED
            if reason is None and n != column and self._free[n] < item.units:
                reason = Unfit.CAPACITY
            if reason is not None and n != column:
                ruled_out[reason] += 1
                continue
            gap, load, risk = float(fit.gaps[n]), float(loads[n]), float(risks[n])
            near = float(agent.id == item.preferred_agent_id)
            candidates.append(
                Candidate(
                    agent_id=agent.id,
                    skill_gap=gap,
                    load=load,
                    transfer_risk=risk,
                    affinity=near,
                    penalty=gap + load + risk - near,
                    idle_seconds=round((self.now - (agent.idle_since_time or self.now)).total_seconds()),
                )
            )
        chosen = self.agents[column].id
        candidates.sort(key=lambda each: (each.agent_id != chosen, each.penalty, -each.idle_seconds, each.agent_id))
        return AssignmentDecision(
            id="",
            work_id=item.id,
            queue_id=item.queue_id,
            agent_id=chosen,
            decide_time=self.now,
            method=AssignmentMethod.GREEDY,
            place=place,
            waiting=waiting,
            priority=parts,
            relaxed_levels=queue.given_up(item.waited(self.now)),
            overflow_queue_ids=wish.queue_ids[1:],
            requirements=wish.needed,
            candidates=tuple(candidates[:CANDIDATES_KEPT]),
            unfit=tuple(UnfitCount(reason=reason, agents=n) for reason, n in sorted(ruled_out.items())),
        )


def _pairs(costs: Any, possible: Any, method: AssignmentMethod) -> list[tuple[int, int]]:
    """(row, column) of what is assigned, by rows."""
    rows, columns = costs.shape
    tied = costs + _TIE * np.arange(columns)
    if method is AssignmentMethod.GREEDY:
        return _greedy(tied, possible)
    from scipy.optimize import linear_sum_assignment

    left_out = _IMPOSSIBLE * (2 - np.arange(rows) / rows)
    found = linear_sum_assignment(np.where(possible, tied, left_out[:, None]))
    return [(int(row), int(column)) for row, column in zip(*found, strict=True) if possible[row, column]]


def _greedy(costs: Any, possible: Any) -> list[tuple[int, int]]:
    pairs, free = [], np.ones(costs.shape[1], bool)
    for row in range(costs.shape[0]):
        fit = possible[row] & free
        if fit.any():
            column = int(np.argmin(np.where(fit, costs[row], np.inf)))
            free[column] = False
            pairs.append((row, column))
    return pairs
