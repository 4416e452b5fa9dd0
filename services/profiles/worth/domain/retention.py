"""Retention of customers under contract: shifted-beta-geometric and Kaplan-Meier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import log

from libs.chassis.domain import InvalidArgument
from libs.statistics.survival import kaplan_meier
from services.profiles.worth.domain.measures import Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedBetaGeometric:
    """Chances to leave at each renewal are Beta(alpha, beta) among customers.

    Fader and Hardie, "How to project customer retention", Journal of Interactive Marketing 21(1), 2007.
    """

    alpha: float
    beta: float

    def survival(self, periods: int) -> float:
        """The share that stays for so many renewals."""
        share = 1.0
        for t in range(1, periods + 1):
            share *= self.retention(t)
        return share

    def retention(self, period: int) -> float:
        """Of those who were there before the renewal, the share that renews. It rises, because the loyal remain."""
        return (self.beta + period - 1) / (self.alpha + self.beta + period - 1)

    def log_likelihood(self, lost: Sequence[int], kept: Sequence[int]) -> float:
        """Of customers of whom `lost[i]` left at renewal i + 1 and `kept[i]` are still there after i renewals."""
        total, log_survival = 0.0, 0.0
        for t in range(1, max(len(lost), len(kept) - 1) + 1):
            if t <= len(lost):
                total += lost[t - 1] * (log_survival + log(self.alpha / (self.alpha + self.beta + t - 1)))
            log_survival += log(self.retention(t))
            if t < len(kept):
                total += kept[t] * log_survival
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """Retention at one tenure: the share that stayed beyond it, with an interval of 95 %."""

    tenure: int
    at_risk: int
    lost: int
    share: float
    lower: float
    upper: float


def survivals(tenures: Iterable[tuple[int, bool]]) -> list[Survival]:
    """Survival from (tenure, whether lost), where the others are still there: a row for each tenure at which some left.

    InvalidArgument for a negative tenure.
    """
    cases = list(tenures)
    for tenure, _ in cases:
        if tenure < 0:
            raise InvalidArgument.field("tenure", f"{tenure} is negative")
    return [
        Survival(
            tenure=round(step.time),
            at_risk=step.at_risk,
            lost=step.events,
            share=step.share,
            lower=step.lower,
            upper=step.upper,
        )
        for step in kaplan_meier(cases)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChurn:
    """Churn of a group under one kind of contract, and the monthly charges that went with it."""

    customers: int
    lost: int
    monthly_charges: int
    monthly_charges_lost: int
    """In minor units."""


def churn_by_contract(customers: Iterable[tuple[str, bool, int]]) -> dict[str, ContractChurn]:
    """Kind of contract → churn, from (kind, whether lost, monthly charge in minor units)."""
    found: dict[str, ContractChurn] = {}
    for kind, gone, charge in customers:
        before = found.get(kind, ContractChurn(customers=0, lost=0, monthly_charges=0, monthly_charges_lost=0))
        found[kind] = ContractChurn(
            customers=before.customers + 1,
            lost=before.lost + gone,
            monthly_charges=before.monthly_charges + charge,
            monthly_charges_lost=before.monthly_charges_lost + charge * gone,
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """The time under contract of one customer, in whole periods: renewals made, or the renewal at which it ended."""

    tenure: int
    lost: bool

    @classmethod
    def of(cls, first: date, last: date | None, today: date, period_months: int) -> Spell:
        """From the first day and the last one. A contract that ends within a period was not renewed at its end."""
        lost = last is not None and last < today
        end = last + timedelta(days=1) if lost and last is not None else today
        months = (end.year - first.year) * 12 + end.month - first.month - (end.day < first.day)
        renewals, rest = divmod(max(months, 0), period_months)
        return cls(tenure=max(renewals + (rest > 0 or end.day != first.day), 1) if lost else renewals, lost=lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractModel:
    """Retention of the customers of a plan: as counted, and as projected."""

    plan: str
    period_months: int
    customer_count: int
    lost_count: int
    alpha: float
    beta: float
    survival: tuple[Survival, ...]
    """As counted (Kaplan-Meier), one row for each renewal at which somebody left."""
    projected_survival: tuple[float, ...]
    """By the model, after 1, 2, 3 and more renewals."""
    basis: Basis


def columns(spells: Iterable[Spell]) -> tuple[list[int], list[int]]:
    """(lost by renewal, still there by renewals made), as the model takes them."""
    lost: Counter[int] = Counter()
    kept: Counter[int] = Counter()
    for spell in spells:
        (lost if spell.lost else kept)[spell.tenure] += 1
    return (
        [lost[t] for t in range(1, max(lost, default=0) + 1)],
        [kept[t] for t in range(max(kept, default=0) + 1)],
    )
