"""Tiers of customers: the policies that give them, and how an assignment rises, falls, waits and is overridden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar
from zoneinfo import available_timezones

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, OpenEnum
from libs.money import CURRENCIES
from services.profiles.activity.domain.transactions import Money
from services.profiles.customers.domain.text import clean
from services.profiles.customers.domain.violations import Violations
from services.profiles.worth.domain.concentration import PER_MILLE, Concentration, Tier
from services.profiles.worth.domain.contribution import Window

MOST_PAST = 24
_LONGEST_DAYS = 3660
_RANK = {Tier.A: 3, Tier.B: 2, Tier.C: 1, Tier.LOSS: 0}


class OverridesForbidden(FailedPrecondition):
    """Policy {policy} version {version} allows no override."""

    policy: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPolicy(Entity):
    """One version of the rule that gives tiers. It never changes: a revised rule is the next version of its name."""

    ID_PREFIX: ClassVar[str] = "tpol"

    name: str
    version: int = 0
    currency_code: str
    """Tiers are measured in this currency alone."""
    window_days: int = 365
    time_zone: str = ""
    """Time zone of the days that recency is counted in. UTC when empty."""
    a_per_mille: int = 800
    b_per_mille: int = 950
    hysteresis_per_mille: int = 100
    """Distance below the cut from which a contribution counts against a customer."""
    demotion_evaluations: int = 2
    """Number of evaluations in a row that must find a customer below."""
    grace_days: int = 30
    """Time after the first of them for which a tier is kept anyway."""
    most_override_days: int = 365
    """The longest that an override may last. 0 allows none."""
    review_date: date
    """Date by which people have to look at the policy again."""
    note: str = ""

    def create(self, version: int, today: date) -> Change[TierPolicy]:
        """The policy as the given version of its name."""
        violations = Violations("tier_policy")
        if self.currency_code not in CURRENCIES:
            violations.add("currency_code", f"{self.currency_code!r} is no ISO 4217 code such as CNY")
        if not 0 < self.a_per_mille < self.b_per_mille <= PER_MILLE:
            violations.add("b_per_mille", f"0 < {self.a_per_mille} < {self.b_per_mille} <= 1000 must hold")
        if self.time_zone and self.time_zone not in available_timezones():
            violations.add("time_zone", f"{self.time_zone!r} is no time zone such as Asia/Shanghai")
        for field, most in (("window_days", _LONGEST_DAYS), ("demotion_evaluations", 24)):
            if not 1 <= getattr(self, field) <= most:
                violations.add(field, f"{getattr(self, field)} is not from 1 to {most}")
        for field, most in (("hysteresis_per_mille", 999), ("grace_days", 366), ("most_override_days", _LONGEST_DAYS)):
            if not 0 <= getattr(self, field) <= most:
                violations.add(field, f"{getattr(self, field)} is not from 0 to {most}")
        if self.review_date <= today:
            violations.add("review_date", f"{self.review_date.isoformat()} is not in the future")
        policy = replace(
            self,
            name=clean(self.name, "name", 60, violations, required=True),
            note=clean(self.note, "note", 1000, violations),
            version=version,
        )
        violations.refuse()
        return policy, [TierPolicyCreated(tier_policy=policy)]

    def window(self, as_of: datetime) -> Window:
        """The time that an evaluation looks at."""
        return Window(start_time=as_of - timedelta(days=self.window_days), end_time=as_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPolicyCreated(Event):
    """A version of a tier policy was created."""

    tier_policy: TierPolicy


class TierReason(OpenEnum):
    """Reason why a customer has a tier."""

    AUTO = "AUTO"
    """The policy gives it."""
    OVERRIDE = "OVERRIDE"
    """Somebody gave it, until it expires."""
    GRACE = "GRACE"
    """Once given by the policy and kept while a fall is not yet sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierOverride:
    """A tier that somebody gave."""

    tier: Tier
    note: str = ""
    actor: str
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TierInterval:
    """A tier that a customer had."""

    tier: Tier
    reason: TierReason
    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TierEvidence:
    """Finding of an evaluation for a customer."""

    evaluation_id: str
    policy_id: str
    contribution: Money
    measured_tier: Tier
    """By the cuts alone, without patience and overrides."""
    as_of_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TierWatch(Entity):
    """A customer who is below the tier that he or she has. The id is the customer's."""

    ID_PREFIX: ClassVar[str] = "cus"

    evaluation_count: int = 0
    """In how many evaluations in a row. 0 when not."""
    since_time: datetime | None = None
    evidence: TierEvidence | None = None
    """Of the latest evaluation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierAssignment(Entity):
    """The tier of a customer. The id is made of the customer's and is another one, since both publish events."""

    ID_PREFIX: ClassVar[str] = "tier"

    customer_id: str
    tier: Tier
    reason: TierReason
    automatic_tier: Tier
    """Tier that the policy gives, whatever was overridden."""
    start_time: datetime
    evidence: TierEvidence
    """Of the evaluation that gave the tier, or the latest before an override."""
    override: TierOverride | None = None
    past: tuple[TierInterval, ...] = ()
    """The tiers before, the latest first."""

    def automatic(self, tier: Tier, evidence: TierEvidence, at: datetime) -> Change[TierAssignment]:
        """With what an evaluation gave. An override that still holds wins."""
        overridden = self.override is not None and self.override.expire_time > at
        if tier is self.automatic_tier and (overridden or self.override is None):
            return self, []
        if overridden:
            return self._told(replace(self, automatic_tier=tier))
        return self._moved(tier, TierReason.AUTO, at, automatic_tier=tier, evidence=evidence, override=None)

    def override_by(self, override: TierOverride, policy: TierPolicy, at: datetime) -> Change[TierAssignment]:
        """With a tier that somebody gave until a time that the policy allows."""
        violations = Violations("")
        if not policy.most_override_days:
            raise OverridesForbidden(policy=policy.name, version=policy.version)
        latest = at + timedelta(days=policy.most_override_days)
        if not at < override.expire_time <= latest:
            violations.add("expire_time", f"must be later than now and not after {latest.isoformat()}")
        kept = replace(override, note=clean(override.note, "note", 500, violations, required=True))
        violations.refuse()
        return self._moved(override.tier, TierReason.OVERRIDE, at, override=kept)

    def expire(self, at: datetime) -> Change[TierAssignment]:
        """Without an override whose time is over."""
        if self.override is None or self.override.expire_time > at:
            return self, []
        return self._moved(self.automatic_tier, TierReason.AUTO, at, override=None)

    def _moved(self, tier: Tier, reason: TierReason, at: datetime, **fields: object) -> Change[TierAssignment]:
        if (tier, reason) != (self.tier, self.reason):
            before = TierInterval(tier=self.tier, reason=self.reason, start_time=self.start_time, end_time=at)
            fields |= {"past": (before, *self.past)[:MOST_PAST], "start_time": at}
        return self._told(replace(self, tier=tier, reason=reason, **fields))  # type: ignore[arg-type]

    @staticmethod
    def _told(changed: TierAssignment) -> Change[TierAssignment]:
        return changed, [TierChanged(tier_assignment=changed)]


@dataclass(frozen=True, slots=True)
class Held:
    """Facts of an assignment by which an evaluation tells that it stays as it is."""

    automatic_tier: Tier
    override_expire_time: datetime | None = None

    def stays(self, tier: Tier, at: datetime) -> bool:
        """True when the tier given now changes nothing. See `TierAssignment.automatic`."""
        over = self.override_expire_time is not None and self.override_expire_time <= at
        return tier is self.automatic_tier and not over


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChanged(Event):
    """The tier of a customer changed, or why it has it."""

    tier_assignment: TierAssignment


@dataclass(frozen=True, slots=True, kw_only=True)
class TierEvaluation(Entity):
    """One evaluation of all customers by one policy: the measured concentration and what it changed."""

    ID_PREFIX: ClassVar[str] = "tev"

    policy_id: str
    policy_version: int
    currency_code: str
    window: Window
    as_of_time: datetime
    concentration: Concentration
    other_currency_counts: dict[str, int]
    """Customers with transactions in a currency that was left out."""
    uncosted_sale_count: int
    rfm_table_id: str = ""
    """The scales of recency, frequency and monetary value of the same customers. Empty when nobody bought."""

    def decide(self, current: Held, watch: TierWatch, contribution: int, policy: TierPolicy) -> tuple[Tier, TierWatch]:
        """The tier that the policy gives a customer now, and the watch over a possible fall.

        A rise holds at once. A fall holds when as many evaluations in a row as the policy says have found the
        contribution below the cut by more than the hysteresis, and the grace period since the first of them is over.
        """
        measured = self.concentration.tier_of(contribution, watch.id)
        calm = TierWatch(id=watch.id, revision=watch.revision, create_time=watch.create_time)
        if _RANK[measured] >= _RANK[current.automatic_tier]:
            return measured, calm
        held = current.automatic_tier
        if watch.evidence is not None and watch.evidence.evaluation_id == self.id:
            return held, watch  # Counted already, before this evaluation was interrupted.
        if not self._clearly_below(held, contribution, policy):
            return held, calm
        since = watch.since_time or self.as_of_time
        count = watch.evaluation_count + 1
        if count >= policy.demotion_evaluations and self.as_of_time - since >= timedelta(days=policy.grace_days):
            return measured, calm
        evidence = self.evidence(watch.id, contribution)
        return held, replace(watch, evaluation_count=count, since_time=since, evidence=evidence)

    def evidence(self, customer_id: str, contribution: int) -> TierEvidence:
        """Finding of this evaluation for a customer."""
        return TierEvidence(
            evaluation_id=self.id,
            policy_id=self.policy_id,
            contribution=Money(currency_code=self.currency_code, minor_units=contribution),
            measured_tier=self.concentration.tier_of(contribution, customer_id),
            as_of_time=self.as_of_time,
        )

    def _clearly_below(self, held: Tier, contribution: int, policy: TierPolicy) -> bool:
        """In whole numbers: below `cut * (1 - h)`. A class that nobody reached has no cut, C begins at zero."""
        cut = next((each.contribution for each in self.concentration.cuts if each.tier is held), None)
        if cut is None:
            return held is not Tier.C or contribution < 0
        return contribution * PER_MILLE < cut * (PER_MILLE - policy.hysteresis_per_mille)


def assignment_id(customer_id: str) -> str:
    """The id of the assignment of a customer."""
    return f"{TierAssignment.ID_PREFIX}_{customer_id.partition('_')[2]}"


def first_assignment(customer_id: str, tier: Tier, evidence: TierEvidence, at: datetime) -> Change[TierAssignment]:
    """The assignment of a customer who had none."""
    assignment = TierAssignment(
        id=assignment_id(customer_id),
        customer_id=customer_id,
        tier=tier,
        automatic_tier=tier,
        reason=TierReason.AUTO,
        start_time=at,
        evidence=evidence,
    )
    return assignment, [TierChanged(tier_assignment=assignment)]
