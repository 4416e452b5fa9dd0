"""The ledger of benefits. The profiles service says who is entitled to what. Here stands what was had of it.

Of several entitlements to one benefit the closest to the customer counts, then the one that gives most in a year, then
the latest, as profiles has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, Open, OpenEnum
from libs.statistics.estimates import Estimate, share, share_difference

SKIPPED_MAX = 500
BASES = ("EVERYBODY", "SEGMENT", "PLAN", "CUSTOMER")
"""To whom something is given, the weakest first."""
_A_YEAR = {"ONCE": 1, "MONTH": 12, "QUARTER": 4, "YEAR": 1}


class BenefitNotLeft(FailedPrecondition):
    """Customer {customer_id} has nothing left of {benefit}: {explanation}."""

    customer_id: str
    benefit: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementTerm(Entity):
    """An entitlement of the profiles service, as far as it is needed here."""

    ID_PREFIX: ClassVar[str] = "ent"

    benefit: Open[str] = ""
    """Word of the tenant."""
    basis: Open[str] = ""
    """One of `BASES`."""
    target: Open[str] = ""
    """Key of a segment or a plan, or the id of a customer."""
    allowance: int | None = None
    period: Open[str] = ""
    """ONCE, MONTH, QUARTER or YEAR."""
    from_day: int = 0
    to_day: int | None = None
    """First and last day, as ordinals."""
    source_revision: int = 0

    def learn(self, other: EntitlementTerm) -> Change[EntitlementTerm]:
        """The newer of two states."""
        return (self, []) if self.source_revision >= other.source_revision else (other, [])

    def gives_on(self, day: date) -> bool:
        """Tells if it gives anything on a day."""
        return self.from_day <= day.toordinal() and (self.to_day is None or day.toordinal() <= self.to_day)

    def period_of(self, day: date) -> str:
        """First day of the period that a day lies in: an allowance begins anew with it."""
        match self.period:
            case "ONCE":
                return date.fromordinal(self.from_day).isoformat()
            case "MONTH":
                return day.replace(day=1).isoformat()
            case "QUARTER":
                return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1).isoformat()
            case _:
                return day.replace(month=1, day=1).isoformat()

    @property
    def rank(self) -> tuple[int, float, int, str]:
        """Rank among several to one benefit."""
        strength = BASES.index(self.basis) if self.basis in BASES else -1
        yearly = float("inf") if self.allowance is None else self.allowance * _A_YEAR.get(self.period, 1)
        return strength, yearly, self.from_day, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpan:
    """A contract of a plan."""

    contract_id: str
    plan: str
    from_day: int
    to_day: int | None = None

    def runs_on(self, ordinal: int) -> bool:
        """Tells if it runs on a day."""
        return self.from_day <= ordinal and (self.to_day is None or ordinal <= self.to_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitStanding(Entity):
    """BenefitStanding of a customer, under the id that was told."""

    ID_PREFIX: ClassVar[str] = "std"

    customer_id: str
    segments: tuple[str, ...] = ()
    plans: tuple[PlanSpan, ...] = ()

    def join(self, segment: str) -> Change[BenefitStanding]:
        """In one more segment."""
        return replace(self, segments=tuple(sorted({*self.segments, segment}))), []

    def leave(self, segment: str) -> Change[BenefitStanding]:
        """In one segment less."""
        return replace(self, segments=tuple(each for each in self.segments if each != segment)), []

    def agree(self, span: PlanSpan) -> Change[BenefitStanding]:
        """With a contract, or another end of it."""
        others = tuple(each for each in self.plans if each.contract_id != span.contract_id)
        return replace(self, plans=(*others, span)[-200:]), []

    def erase(self) -> Change[BenefitStanding]:
        """Without anything."""
        return replace(self, segments=(), plans=()), []


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """A customer under all of its ids, on a day."""

    ids: tuple[str, ...]
    standings: Sequence[BenefitStanding]
    day: date

    def why(self, term: EntitlementTerm) -> str:
        """Reason why an entitlement is theirs. Empty when it is not."""
        ordinal = self.day.toordinal()
        match term.basis:
            case "EVERYBODY":
                return "given to everybody"
            case "SEGMENT" if any(term.target in each.segments for each in self.standings):
                return f"in the segment {term.target}"
            case "PLAN" if any(
                span.plan == term.target and span.runs_on(ordinal) for each in self.standings for span in each.plans
            ):
                return f"a contract of the plan {term.target}"
            case "CUSTOMER" if term.target in self.ids:
                return "given to this customer"
        return ""

    def benefits(self, terms: Iterable[EntitlementTerm]) -> dict[str, EntitlementTerm]:
        """Benefit → the entitlement that counts."""
        found: dict[str, EntitlementTerm] = {}
        for term in terms:
            if term.gives_on(self.day) and self.why(term):
                before = found.get(term.benefit)
                found[term.benefit] = term if before is None or term.rank > before.rank else before
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitAccount(Entity):
    """Count of a benefit that a customer took in a period. Two who take at once meet here, and one begins anew."""

    ID_PREFIX: ClassVar[str] = "bac"

    customer_id: str
    benefit: str
    period: str
    taken: int = 0

    def take(self, count: int) -> Change[BenefitAccount]:
        """Taken more often, or less."""
        return replace(self, taken=max(self.taken + count, 0)), []


class BenefitUseState(OpenEnum):
    """State of an entry of the ledger."""

    RESERVED = "RESERVED"
    USED = "USED"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitUse(Entity):
    """One entry of the ledger."""

    ID_PREFIX: ClassVar[str] = "bus"

    customer_id: str
    benefit: str
    cause: str
    entitlement_id: str = ""
    period: str = ""
    state: BenefitUseState = BenefitUseState.RESERVED
    use_time: datetime | None = None
    release_time: datetime | None = None

    @property
    def counts(self) -> bool:
        """Set while it is taken from the allowance."""
        return self.state is not BenefitUseState.RELEASED

    def reserve(self, term: EntitlementTerm, period: str) -> Change[BenefitUse]:
        """Reserved, for the first time or again."""
        if self.revision and self.counts:
            return self, []
        reserved = replace(
            self, entitlement_id=term.id, period=period, state=BenefitUseState.RESERVED, release_time=None
        )
        return reserved, [BenefitReserved(benefit_use=reserved)]

    def use(self, now: datetime) -> Change[BenefitUse]:
        """The customer had it. One that was given back has to be reserved again first."""
        if self.state is BenefitUseState.RELEASED:
            raise BenefitNotLeft(
                customer_id=self.customer_id, benefit=self.benefit, explanation="it was given back: reserve it again"
            )
        if self.state is BenefitUseState.USED:
            return self, []
        used = replace(self, state=BenefitUseState.USED, use_time=now)
        return used, [BenefitUsed(benefit_use=used)]

    def release(self, now: datetime) -> Change[BenefitUse]:
        """Given back."""
        if not self.counts:
            return self, []
        released = replace(self, state=BenefitUseState.RELEASED, release_time=now, use_time=None)
        return released, [BenefitReleased(benefit_use=released)]

    def erase(self) -> Change[BenefitUse]:
        """Nothing in it is personal but the id, which is nobody's any more."""
        return self, []


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitBalance:
    """Benefit of a customer: its allowance, and what was taken of it."""

    benefit: str
    entitlement_id: str
    explanation: str
    allowance: int | None
    period: str
    taken: int
    remaining: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerBenefits:
    """The benefits of a customer."""

    customer_id: str
    benefits: tuple[BenefitBalance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityTier:
    """Share of one tier in a benefit."""

    tier: str
    entitled_count: int
    served_count: int
    served: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityReport:
    """Evenness of a benefit over tiers."""

    benefit: str
    tiers: tuple[EquityTier, ...]
    uneven: bool
    difference: Estimate | None
    skipped_count: int
    skipped_customer_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityTally:
    """Counts so far: tier → (entitled, served), and who was skipped."""

    tiers: dict[str, list[int]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    skipped_count: int = 0

    def with_customer(self, id: str, tier: str, *, served: bool) -> EquityTally:
        """With one more customer who is entitled."""
        tiers: Mapping[str, Sequence[int]] = self.tiers
        entitled, had = tiers.get(tier, (0, 0))
        counted = {**self.tiers, tier: [entitled + 1, had + served]}
        if served:
            return replace(self, tiers=counted)
        skipped = [*self.skipped, id] if len(self.skipped) < SKIPPED_MAX else self.skipped
        return EquityTally(tiers=counted, skipped=skipped, skipped_count=self.skipped_count + 1)

    def report(self, benefit: str) -> EquityReport:
        """The report: tiers are uneven when the interval of the largest difference leaves out zero (Newcombe)."""
        tiers = tuple(
            EquityTier(tier=tier, entitled_count=entitled, served_count=had, served=share(had, entitled))
            for tier, (entitled, had) in sorted(self.tiers.items())
        )
        shares = sorted((each.served for each in tiers if each.served is not None), key=lambda each: each.value)
        difference = share_difference(shares[-1], shares[0]) if len(shares) > 1 else None
        return EquityReport(
            benefit=benefit,
            tiers=tiers,
            uneven=difference is not None and difference.lower > 0,
            difference=difference,
            skipped_count=self.skipped_count,
            skipped_customer_ids=tuple(self.skipped),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitReserved(Event):
    """Tells that a benefit was reserved for a customer."""

    benefit_use: BenefitUse


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitUsed(Event):
    """Tells that a customer had a benefit."""

    benefit_use: BenefitUse


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitReleased(Event):
    """Tells that a benefit was given back."""

    benefit_use: BenefitUse
