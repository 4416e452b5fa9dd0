"""The rules about owners and the public pool: when customers go there, and who may take them from it.

A rule is for a segment or for everybody; the first one that fits a customer decides alone.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, TypeVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.profiles.customers.domain.preferences import time_zones
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations
from services.profiles.ownership.domain.ownership import (
    OwnerInterval,
    Ownership,
    OwnershipReason,
    OwnershipState,
    OwnerTally,
)

_DAY = timedelta(days=1)


class Outcome(OpenEnum):
    """Action of a policy about an owned customer."""

    KEPT = "KEPT"
    HELD = "HELD"
    WARNED = "WARNED"
    WAITING = "WAITING"
    WARNING_WITHDRAWN = "WARNING_WITHDRAWN"
    RECYCLED = "RECYCLED"


class ClaimBlockReason(OpenEnum):
    """Obstacle to taking a customer."""

    NOT_POOLED = "NOT_POOLED"
    CAPACITY = "CAPACITY"
    DAILY_LIMIT = "DAILY_LIMIT"
    COOLDOWN = "COOLDOWN"
    SETTLING = "SETTLING"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycleRule:
    """Rule of customers who go to the pool."""

    segment: str = ""
    """The key of the segment it is for. Empty for everybody."""
    contact_days: int = 0
    """Days without contact. 0 for never."""
    contract_days: int | None = None
    """Days after the last contract. Decides alone for whoever has or had one. None: contracts do not count."""
    warn_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PickRule:
    """Rule of those who may take customers from the pool."""

    segment: str = ""
    cooldown_days: int = 0
    settle_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Limit of the customers of one member of staff."""

    owner: str
    customer_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Facts that a policy has to know about a customer."""

    segments: frozenset[str] = frozenset()
    """Keys of the segments that the customer belongs to."""
    last_contact_time: datetime | None = None
    has_contract: bool = False
    contract_end_date: date | None = None
    """The day on which the last contract ends. None when one has no end, or there is none."""
    late_deals: int = 0
    """Open deals in a late stage, as opportunities tells of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipDecision:
    """Verdict of a policy about one owned customer."""

    customer_id: str
    owner: str
    outcome: Outcome
    segment: str = ""
    reason: OwnershipReason | None = None
    due_time: datetime | None = None
    explanation: str
    recycle_time: datetime | None = None
    """For a warning: when the customer goes to the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimBlock:
    """One thing that keeps somebody from taking a customer."""

    reason: ClaimBlockReason
    explanation: str
    until_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerLoad:
    """Load and limit of a member of staff."""

    owner: str
    customer_count: int
    capacity: int | None
    pick_count: int
    daily_limit: int | None


R = TypeVar("R", RecycleRule, PickRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipPolicy(Entity):
    """One version of the rules. It never changes. Version 0, before the first one, lets everything happen but recycles
    nobody."""

    ID_PREFIX: ClassVar[str] = "opo"

    version: int = 0
    author: str = ""
    note: str = ""
    recycle_rules: tuple[RecycleRule, ...] = ()
    pick_rules: tuple[PickRule, ...] = field(default_factory=tuple)
    capacity: int = 0
    """0 for no limit."""
    capacities: tuple[Capacity, ...] = ()
    daily_limit: int = 0
    """0 for no limit."""
    time_zone: str = ""
    review_date: date | None = None

    def create(self, version: int, author: str) -> Change[OwnershipPolicy]:
        """The version that a draft describes."""
        violations = Violations("ownership_policy")
        _check_order(self.recycle_rules, "recycle_rules", violations)
        _check_order(self.pick_rules, "pick_rules", violations)
        owners = [each.owner for each in self.capacities]
        for i, owner in enumerate(owners):
            if owner in owners[:i]:
                violations.add(f"capacities[{i}].owner", f"{owner!r} is there twice")
        if self.time_zone and self.time_zone not in time_zones():
            violations.add("time_zone", f"{self.time_zone!r} is no IANA zone such as Asia/Shanghai")
        policy = replace(self, version=version, author=author, note=clean(self.note, "note", 1000, violations))
        violations.refuse()
        return policy, [OwnershipPolicyCreated(ownership_policy=policy)]

    # ------------------------------------------------------------------------------------------------ recycling

    def decide(self, ownership: Ownership, about: Circumstances, now: datetime) -> OwnershipDecision:
        """Action on an owned customer, with its reason."""
        rule = _first(self.recycle_rules, about.segments)
        if rule is None:
            return _decision(ownership, Outcome.KEPT, "no rule is for this customer")
        reason, due, cause = self._due(rule, ownership, about)
        decided = _decision(ownership, Outcome.KEPT, cause, segment=rule.segment, reason=reason, due_time=due)
        warned = ownership.state is OwnershipState.RECYCLE_WARNED
        if due is None or now < due - rule.warn_days * _DAY:
            if not warned:
                return decided
            return replace(decided, outcome=Outcome.WARNING_WITHDRAWN, explanation=f"{cause}: the warning is withdrawn")
        # Without their reasons: those are personal, and decisions outlive a customer in the result of an operation.
        holds = [hold.key for hold in ownership.holds if hold.holds(now)]
        if about.late_deals:
            holds.append(f"{about.late_deals} {'deal' if about.late_deals == 1 else 'deals'} in a late stage")
        if holds:
            return replace(decided, outcome=Outcome.HELD, explanation=f"{cause}, but held by {', '.join(holds)}")
        if not warned and rule.warn_days:
            at = max(due, now + rule.warn_days * _DAY)
            told = f"{cause}: the owner is warned, to the pool at {_moment(at)}"
            return replace(decided, outcome=Outcome.WARNED, explanation=told, recycle_time=at)
        at = max(due, ownership.recycle_time or due)
        if now < at:
            return replace(decided, outcome=Outcome.WAITING, explanation=f"{cause}: to the pool at {_moment(at)}")
        return replace(decided, outcome=Outcome.RECYCLED, explanation=f"{cause}: to the pool")

    def _due(
        self, rule: RecycleRule, ownership: Ownership, about: Circumstances
    ) -> tuple[OwnershipReason | None, datetime | None, str]:
        """(what counts, when the customer is due, the same in words)."""
        if rule.contract_days is not None and about.has_contract:
            end = about.contract_end_date
            if end is None:
                return OwnershipReason.CONTRACT_ENDED, None, "a contract without end runs"
            due = self._begin(end + (1 + rule.contract_days) * _DAY)
            return OwnershipReason.CONTRACT_ENDED, due, f"the last contract ends {end}, due {_moment(due)}"
        if not rule.contact_days:
            return None, None, "the rule recycles nobody for silence"
        times = [at for at in (ownership.since_time, about.last_contact_time) if at is not None]
        if not times:
            return OwnershipReason.NO_CONTACT, None, "nobody knows since when"
        due = max(times) + rule.contact_days * _DAY
        if about.last_contact_time is not None and about.last_contact_time == max(times):
            return OwnershipReason.NO_CONTACT, due, f"last contact {_moment(max(times))}, due {_moment(due)}"
        return OwnershipReason.NO_CONTACT, due, f"owned since {_moment(max(times))} without contact, due {_moment(due)}"

    # ------------------------------------------------------------------------------------------------- claiming

    def claim_blocks(
        self, ownership: Ownership, about: Circumstances, tally: OwnerTally, former: OwnerInterval | None, now: datetime
    ) -> tuple[ClaimBlock, ...]:
        """Everything that keeps an owner from taking a customer. `former` is the last time the same one had them."""
        blocks = [*self.capacity_blocks(tally)]
        if ownership.state is not OwnershipState.POOLED:
            whose = f"belongs to {ownership.owner}" if ownership.owner else "is not in the pool"
            blocks.insert(0, ClaimBlock(reason=ClaimBlockReason.NOT_POOLED, explanation=f"the customer {whose}"))
        today = self.day(now)
        if self.daily_limit and tally.picks_on(today) >= self.daily_limit:
            told = f"{self.daily_limit} customers were taken on {today}, as many as allowed"
            next_day = self._begin(today + _DAY)
            blocks.append(ClaimBlock(reason=ClaimBlockReason.DAILY_LIMIT, explanation=told, until_time=next_day))
        rule = _first(self.pick_rules, about.segments) or PickRule()
        if former is not None and former.end_time is not None:
            free = former.end_time + rule.cooldown_days * _DAY
            if now < free:
                told = f"{former.owner} had the customer until {_moment(former.end_time)}"
                blocks.append(ClaimBlock(reason=ClaimBlockReason.COOLDOWN, explanation=told, until_time=free))
        if ownership.pool_time is not None:
            free = ownership.pool_time + rule.settle_days * _DAY
            if now < free:
                told = f"the customer came into the pool at {_moment(ownership.pool_time)}"
                blocks.append(ClaimBlock(reason=ClaimBlockReason.SETTLING, explanation=told, until_time=free))
        return tuple(blocks)

    def capacity_blocks(self, tally: OwnerTally) -> tuple[ClaimBlock, ...]:
        """Reason why an owner may not have one more customer, or nothing."""
        capacity = self.capacity_of(tally.owner)
        if capacity is None or tally.customer_count < capacity:
            return ()
        told = f"{tally.owner} has {tally.customer_count} customers, {capacity} are allowed"
        return (ClaimBlock(reason=ClaimBlockReason.CAPACITY, explanation=told),)

    def capacity_of(self, owner: str) -> int | None:
        """Limit of the customers of an owner. None for no limit."""
        own = next((each.customer_count for each in self.capacities if each.owner == owner), None)
        return own if own is not None else (self.capacity or None)

    def load(self, tally: OwnerTally, now: datetime) -> OwnerLoad:
        """Load and limit of an owner."""
        return OwnerLoad(
            owner=tally.owner,
            customer_count=tally.customer_count,
            capacity=self.capacity_of(tally.owner),
            pick_count=tally.picks_on(self.day(now)),
            daily_limit=self.daily_limit or None,
        )

    def day(self, at: datetime) -> date:
        """The day on which a moment lies."""
        return at.astimezone(ZoneInfo(self.time_zone or "UTC")).date()

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.time_zone or "UTC")).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipPolicyCreated(Event):
    """A version of the policy came into force."""

    ownership_policy: OwnershipPolicy


def _first(rules: Sequence[R], segments: Set[str]) -> R | None:
    return next((rule for rule in rules if not rule.segment or rule.segment in segments), None)


def _check_order(rules: Sequence[RecycleRule | PickRule], path: str, violations: Violations) -> None:
    """Refuse rules that an earlier one hides."""
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        if rule.segment in seen:
            violations.add(f"{path}[{i}].segment", f"{rule.segment or 'everybody'} has a rule before this one")
        elif "" in seen:
            violations.add(f"{path}[{i}].segment", "comes after the rule for everybody, which leaves nobody to it")
        seen.add(rule.segment)


def _decision(
    ownership: Ownership,
    outcome: Outcome,
    explanation: str,
    *,
    segment: str = "",
    reason: OwnershipReason | None = None,
    due_time: datetime | None = None,
) -> OwnershipDecision:
    return OwnershipDecision(
        customer_id=ownership.customer_id,
        owner=ownership.owner,
        outcome=outcome,
        explanation=explanation,
        segment=segment,
        reason=reason,
        due_time=due_time,
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
