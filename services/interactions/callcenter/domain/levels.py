"""Service levels: who was answered in time, by a rule on short abandons that is stated with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from libs.chassis.domain import OpenEnum
from services.interactions.routing.domain.queues import ShortAbandonRule, WorkQueue


class ServiceSource(OpenEnum):
    """Source of what a service level counts."""

    CALLS = "CALLS"
    WORK = "WORK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Number of those who came with one tier, wait and end."""

    tier: str
    answered: bool
    wait_seconds: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLevel:
    """Service level of a tier."""

    tier: str = ""
    offered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    service_level: float | None = None
    goal_share: float = 0.0
    goal_seconds: float = 0.0
    mean_wait_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOutcome:
    """Outcome of what was answered, without which no speed is shown."""

    done: int = 0
    resolved: int = 0
    resolved_share: float | None = None
    deviated_for_customer: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevelReport:
    """Service level of a queue, and what came of it."""

    queue_id: str
    short_abandon_rule: ShortAbandonRule
    short_abandon_seconds: float
    tiers: tuple[TierLevel, ...]
    everybody: TierLevel
    outcome: ServiceOutcome


def report(queue: WorkQueue, arrivals: Iterable[Arrival], outcome: ServiceOutcome) -> ServiceLevelReport:
    """The service level of a queue by tier and over all."""
    sums: dict[str, Counter[str]] = {}
    short = queue.short_abandon.total_seconds()
    for each in arrivals:
        goal = queue.goal(each.tier).within.total_seconds()
        here = sums.setdefault(each.tier, Counter())
        here["offered"] += each.count
        if each.answered:
            here["answered"] += each.count
            here["waited"] += each.count * each.wait_seconds
            here["in_time"] += each.count * (each.wait_seconds <= goal)
        else:
            here["short" if each.wait_seconds <= short else "abandoned"] += each.count
    tiers = tuple(_level(tier, found, queue) for tier, found in sorted(sums.items()))
    everybody = sum(sums.values(), Counter[str]())
    return ServiceLevelReport(
        queue_id=queue.id,
        short_abandon_rule=queue.short_abandon_rule,
        short_abandon_seconds=short,
        tiers=tiers,
        everybody=_level("", everybody, queue),
        outcome=outcome,
    )


def _level(tier: str, sums: Counter[str], queue: WorkQueue) -> TierLevel:
    goal, rule = queue.goal(tier), queue.short_abandon_rule
    counted = sums["answered"] + sums["abandoned"] + (0 if rule is ShortAbandonRule.EXCLUDED else sums["short"])
    met = sums["in_time"] + (sums["short"] if rule is ShortAbandonRule.ANSWERED else 0)
    return TierLevel(
        tier=tier,
        offered=sums["offered"],
        answered=sums["answered"],
        answered_in_time=sums["in_time"],
        abandoned=sums["abandoned"],
        short_abandoned=sums["short"],
        service_level=met / counted if counted else None,
        goal_share=goal.share_basis_points / 10_000,
        goal_seconds=goal.within.total_seconds(),
        mean_wait_seconds=sums["waited"] / sums["answered"] if sums["answered"] else None,
    )
