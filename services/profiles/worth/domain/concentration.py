"""Concentration of the contribution on few customers, and the classes that follow from it.

Everything that decides is compared in integers: a customer exactly on the line belongs to the class that the rule says,
not to the one that rounding makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from libs.chassis.domain import InvalidArgument, OpenEnum

PER_MILLE = 1000


class Tier(OpenEnum):
    """The class of a customer by contribution (Dickie 1951)."""

    A = "A"
    B = "B"
    C = "C"
    LOSS = "LOSS"
    """Costs more than it brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The last customer of a class in the order of contribution: who stands there or before is in it."""

    tier: Tier
    contribution: int
    """The least contribution in the class, in minor units."""
    customer_id: str
    """Of those with exactly that contribution, the last one in the class by id."""

    def holds(self, contribution: int, customer_id: str) -> bool:
        """True when somebody stands at the cut or before it."""
        return (-contribution, customer_id) <= (-self.contribution, self.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSize:
    """Customers of a class and their contribution."""

    tier: Tier
    customer_count: int
    contribution: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """The measured concentration of the contribution of many customers, in minor units of one currency.

    Shares are of the positive contributions; losses stand apart.
    """

    customer_count: int
    contribution: int
    """Of all, losses included."""
    positive_contribution: int
    loss_count: int
    loss_contribution: int
    top_fifth_count: int
    """A fifth of all customers, rounded up."""
    top_fifth_contribution: int
    top_fifth_share: float
    gini: float
    """0 when all contribute the same, towards 1 when one contributes all. Without losses."""
    most_count: int
    """The fewest customers who make 80 % of the positive contribution."""
    most_share: float
    """The share of all customers that they are: "20 %" only when the 80/20 rule holds."""
    cuts: tuple[Cut, ...]
    classes: tuple[ClassSize, ...]

    def tier_of(self, contribution: int, customer_id: str) -> Tier:
        """The class of a customer by these cuts."""
        if contribution < 0:
            return Tier.LOSS
        return next((cut.tier for cut in self.cuts if cut.holds(contribution, customer_id)), Tier.C)


def measure(
    ids: Sequence[str], contributions: Sequence[int], *, a_per_mille: int = 800, b_per_mille: int = 950
) -> Concentration:
    """The concentration of contributions in minor units (Pareto 1896, Juran 1951), and the ABC classes (Dickie 1951).

    In descending order of contribution, ties by id, customer k is A if those before k hold less than `a_per_mille` of
    the positive contribution, B if less than `b_per_mille`, else C: the crossing customer belongs to the higher class.
    """
    if not 0 < a_per_mille < b_per_mille <= PER_MILLE:
        raise InvalidArgument.field("cuts", f"0 < {a_per_mille} < {b_per_mille} <= 1000 (per mille) must hold")
    order = sorted(range(len(ids)), key=lambda i: (-contributions[i], ids[i]))
    values = [contributions[i] for i in order]
    total = sum(value for value in values if value > 0)
    held = list(accumulate(max(value, 0) for value in values))
    cuts, sizes = [], []
    begin = 0
    keepers = sum(1 for value in values if value >= 0)
    for tier, share in ((Tier.A, a_per_mille), (Tier.B, b_per_mille)):
        end = _crossing(held, total, share, begin, keepers)
        if end > begin:
            last = order[end - 1]
            cuts.append(Cut(tier=tier, contribution=contributions[last], customer_id=ids[last]))
        sizes.append(ClassSize(tier=tier, customer_count=end - begin, contribution=sum(values[begin:end])))
        begin = end
    sizes.append(ClassSize(tier=Tier.C, customer_count=keepers - begin, contribution=sum(values[begin:keepers])))
    losses = values[keepers:]
    sizes.append(ClassSize(tier=Tier.LOSS, customer_count=len(losses), contribution=sum(losses)))
    fifth = -(-len(values) // 5)
    most = _crossing(held, total, 800, 0, keepers)
    return Concentration(
        customer_count=len(values),
        contribution=sum(values),
        positive_contribution=total,
        loss_count=len(losses),
        loss_contribution=sum(losses),
        top_fifth_count=fifth,
        top_fifth_contribution=sum(values[:fifth]),
        top_fifth_share=held[fifth - 1] / total if total else 0.0,
        gini=gini(values[keepers - 1 :: -1] if keepers else []),
        most_count=most,
        most_share=most / len(values) if values else 0.0,
        cuts=tuple(cuts),
        classes=tuple(sizes),
    )


def gini(ascending: Sequence[int]) -> float:
    """Gini's coefficient (1912) of ascending values, none of them negative. 0 of nothing."""
    n, total = len(ascending), sum(ascending)
    if not total:
        return 0.0
    weighted = sum(i * value for i, value in enumerate(ascending, 1))
    return (2 * weighted - (n + 1) * total) / (n * total)


def _crossing(held: Sequence[int], total: int, per_mille: int, begin: int, end: int) -> int:
    """Number of those who come first until the share is reached. Who crosses it is one of them."""
    if not total:
        return begin
    for k in range(begin, end):
        if (held[k - 1] if k else 0) * PER_MILLE >= per_mille * total:
            return k
    return end
