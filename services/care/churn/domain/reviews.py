"""Reviews: what a month came to, written once and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event
from libs.statistics.estimates import Estimate, share
from services.care.alerts.domain.watches import Watch, month_of
from services.care.churn.domain.records import ChurnRecord
from services.care.churn.domain.winback import month_after

SATISFIED_WITHIN = timedelta(days=365)
OWNERS_MAX = 1000
_WHOLE = 10_000
TOTAL, TIER, OWNER, SATISFIED = "total|", "tier|", "owner|", "satisfied|"
"""Beginnings of the groups that are counted."""


def span_of(month: str) -> tuple[datetime, datetime]:
    """The first instant of a month such as 2026-03, and that of the month after (UTC)."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    return start, month_after(start)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionCount:
    """Customers of a group who stayed, in numbers."""

    group: str
    base_count: int
    lost_count: int
    retention: Estimate | None = None
    goal_reached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonCount:
    """Customers who left for a reason, in numbers."""

    reason_path: str
    count: int
    recoverable_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyReview(Entity):
    """Review of a month."""

    ID_PREFIX: ClassVar[str] = "lrv"

    month: str
    total: RetentionCount
    tiers: tuple[RetentionCount, ...] = ()
    owners: tuple[RetentionCount, ...] = ()
    satisfied: RetentionCount
    reasons: tuple[ReasonCount, ...] = ()
    won_back_count: int = 0
    alerts_saved: int = 0
    alerts_lost: int = 0
    false_alarms: int = 0
    goal_basis_points: int = 0

    def keep(self) -> Change[LoyaltyReview]:
        """This review as the one of its month."""
        return self, [LoyaltyReviewed(review=self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer as a review sees it."""

    tier: str
    owner: str
    watch: Watch
    records: Sequence[ChurnRecord]
    """Every record of it, under all ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts so far: group → (base, lost), reason → (count, recoverable). Plain lists, as JSON has them."""

    groups: dict[str, list[int]] = field(default_factory=dict)
    reasons: dict[str, list[int]] = field(default_factory=dict)
    won_back: int = 0

    def with_person(self, person: Person, month: str) -> Tally:
        """With one more customer. Who bought before the month and had not left is of its base."""
        start, end = span_of(month)
        back = sum(1 for each in person.records if each.won_back_time and start <= each.won_back_time < end)
        tally = replace(self, won_back=self.won_back + back)
        if any(each.away_at(start) for each in person.records) or not any(
            each.month < month_of(start) and each.count for each in person.watch.sales
        ):
            return tally
        lost = next((each for each in person.records if each.lost_time and start <= each.lost_time < end), None)
        said = person.watch.satisfied_time
        satisfied = said is not None and start - SATISFIED_WITHIN <= said < end
        groups = {name: [*counts] for name, counts in self.groups.items()}
        names = [TOTAL, f"{TIER}{person.tier}", f"{OWNER}{person.owner}", *([SATISFIED] if satisfied else [])]
        for name in names:
            counts = groups.setdefault(name, [0, 0])
            counts[0] += 1
            counts[1] += lost is not None
        reasons = {path: [*counts] for path, counts in self.reasons.items()}
        if lost is not None:
            counts = reasons.setdefault(lost.reason_path, [0, 0])
            counts[0] += 1
            counts[1] += lost.recoverable
        return replace(tally, groups=groups, reasons=reasons)

    def counts(self, beginning: str, goal: int) -> tuple[RetentionCount, ...]:
        """The groups with a beginning, the largest first."""
        found = [(name, each) for name, each in self.groups.items() if name.startswith(beginning)]
        found.sort(key=lambda each: (-each[1][0], each[0]))
        return tuple(_count(name.removeprefix(beginning), each, goal) for name, each in found)

    def review(self, month: str, goal: int, alerts: Mapping[str, int]) -> LoyaltyReview:
        """The review of a month. `alerts` tells outcome → alerts that were closed in it."""
        ranked = sorted(self.reasons.items(), key=lambda each: (-each[1][0], each[0]))
        return LoyaltyReview(
            id="",
            month=month,
            total=next(iter(self.counts(TOTAL, goal)), _count("", [0, 0], goal)),
            tiers=self.counts(TIER, goal),
            owners=self.counts(OWNER, goal)[:OWNERS_MAX],
            satisfied=next(iter(self.counts(SATISFIED, goal)), _count("", [0, 0], goal)),
            reasons=tuple(
                ReasonCount(reason_path=path, count=count, recoverable_count=more) for path, (count, more) in ranked
            ),
            won_back_count=self.won_back,
            alerts_saved=alerts.get("SAVED", 0),
            alerts_lost=alerts.get("LOST", 0),
            false_alarms=alerts.get("FALSE_ALARM", 0),
            goal_basis_points=goal,
        )


def _count(group: str, counts: Sequence[int], goal: int) -> RetentionCount:
    base, lost = counts
    return RetentionCount(
        group=group,
        base_count=base,
        lost_count=lost,
        retention=share(base - lost, base),
        goal_reached=bool(goal) and (base - lost) * _WHOLE >= goal * base > 0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyReviewed(Event):
    """Tells what a month came to."""

    review: LoyaltyReview
