"""The distribution of what a period will bring: simulated, or exact where that is possible.

Deals win together more often than chance alone would have it, because one market carries them all: a one-factor
Gaussian copula (Vasicek 1987) ties them with the correlation rho. The result depends on the seed and the deals, never
on their order: every deal has a stream of random numbers of its own, named by its id, and amounts are integers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.chassis.domain import InvalidArgument, OpenEnum
from services.opportunities.forecast.domain.learning import Arrivals, CurveStep, at

CONVOLUTION_MAX_DEALS = 40
"""Deals up to which independent wins of fixed amounts are worked out exactly."""
QUANTILES = (0.1, 0.5, 0.9)
DRAWS = 10_000
"""Draws of a simulation when nobody says how many."""
NEW_WINS_MAX = 10_000
"""Wins of new deals in one draw. More is no forecast of a period."""
_STRETCH = 500
"""Draws whose new deals are drawn at once."""
_MARKET = "market"
"""Name of the stream that all deals share. No id of a deal, which carries a prefix."""

Integers = NDArray[Any]
Numbers = NDArray[Any]


class Method(OpenEnum):
    """Way in which a distribution was found."""

    CONVOLUTION = "CONVOLUTION"
    MONTE_CARLO = "MONTE_CARLO"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDeal:
    """A deal that may still be won."""

    id: str
    amount: int
    """Minor units of the currency of the forecast."""
    probability: float
    """Chance to win it at all."""
    days_left: tuple[int, int] | None = None
    """Days of slip, first and last, for which the deal still closes within the period. None when every day does."""
    waited: int | None = None
    """Days since its close date, negative before it: it is still open, so a smaller slip is not possible any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """History that the draws take from."""

    amount_ratios: tuple[float, ...] = ()
    """Final amount over the amount at this point of earlier won deals. Empty takes amounts as they are."""
    slips: tuple[int, ...] = ()
    """Days from the expected to the actual close date of earlier won deals. Empty takes dates as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeals:
    """Deals that are still to be opened and may be won within the period."""

    name: str
    """Name of their stream of random numbers, such as a currency."""
    expected: float
    """How many are opened in time, on average."""
    probability: float
    """Chance of one of them to be won within the period."""
    amounts: tuple[int, ...]
    """Amounts that such deals were won for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Sum that a period may bring, in minor units."""

    mean: float
    deviation: float
    p10: int
    p50: int
    p90: int
    method: Method
    seed: int = 0
    draws: int = 0
    """Draws of the simulation. 0 when the distribution is exact."""
    error: float = 0.0
    """Standard error of the mean that comes of simulating instead of computing."""

    def plus(self, certain: int) -> Distribution:
        """With an amount that is certain, such as what is won already."""
        moved = {name: getattr(self, name) + certain for name in ("mean", "p10", "p50", "p90")}
        return replace(self, **moved)


def opened_in_time(
    arrivals: Arrivals, curve: Sequence[CurveStep], days_to_start: float, days_to_end: float, amounts: Sequence[int]
) -> NewDeals:
    """Deals that are opened from now to the end of a period, and the mean chance of one to be won within it.

    One that is opened after u days is won by `F(end - u) - F(start - u)`, the curve of all deals.
    """
    opened = np.arange(0.5, max(days_to_end, 1.0), 1.0)
    inside = [_won(curve, days_to_end - each) - _won(curve, days_to_start - each) for each in opened]
    mean = float(np.mean(inside)) if inside else 0.0
    return NewDeals(
        name=arrivals.currency_code,
        expected=arrivals.per_day * days_to_end,
        probability=mean,
        amounts=tuple(amounts),
    )


def _won(curve: Sequence[CurveStep], days: float) -> float:
    return at(curve, days).won if days > 0 else 0.0


def distribution(
    deals: Sequence[OpenDeal],
    *,
    rho: float,
    seed: int,
    draws: int,
    experience: Experience | None = None,
    new_deals: Sequence[NewDeals] = (),
) -> Distribution:
    """The distribution of the sum of what these deals bring, exact where that is possible, else by Monte Carlo."""
    _check(deals, rho, draws)
    known = experience or Experience()
    certain_dates = all(deal.days_left is None for deal in deals) or not known.slips
    fixed = not known.amount_ratios and certain_dates and not new_deals
    if rho == 0 and fixed and len(deals) <= CONVOLUTION_MAX_DEALS:
        return convolved([deal for deal in deals if _in_time(deal, max(deal.waited or 0, 0))])
    return simulated(deals, rho=rho, seed=seed, draws=draws, experience=known, new_deals=new_deals)


def _check(deals: Sequence[OpenDeal], rho: float, draws: int) -> None:
    if not 0 <= rho < 1:
        raise InvalidArgument.field("rho", f"{rho} is not a correlation from 0 to less than 1")
    if draws < 1:
        raise InvalidArgument.field("draws", f"{draws}: at least one is needed")
    if len({deal.id for deal in deals}) < len(deals):
        raise ValueError("a deal is there twice")
    if wrong := next((deal for deal in deals if not 0 <= deal.probability <= 1), None):
        raise ValueError(f"{wrong.id}: {wrong.probability} is no probability")


def _in_time(deal: OpenDeal, slip: int) -> bool:
    return deal.days_left is None or deal.days_left[0] <= slip <= deal.days_left[1]


# -------------------------------------------------------------------------------------------------- Monte Carlo


def simulated(
    deals: Sequence[OpenDeal],
    *,
    rho: float,
    seed: int,
    draws: int,
    experience: Experience,
    new_deals: Sequence[NewDeals] = (),
) -> Distribution:
    """Draws every deal's win, amount and date so many times, and adds up what falls into the period."""
    sums = np.zeros(draws, dtype=np.int64)
    slips = np.sort(np.array(experience.slips, dtype=np.int64))
    ratios = np.array(experience.amount_ratios, dtype=np.float64)
    weight = sqrt(1 - rho)
    shared = sqrt(rho) * _stream(seed, _MARKET).standard_normal(draws)
    luck = np.empty(draws, np.float32)
    for probability, equal in groupby(sorted(deals, key=_probability), _probability):
        # What the market leaves of a chance is the same for all deals that have it, so a deal costs one uniform draw.
        chances = _given_market(probability, shared, weight).astype(np.float32)
        for deal in equal:
            stream = _stream(seed, deal.id)
            won = stream.random(dtype=np.float32, out=luck) < chances
            if deal.days_left is not None:
                pool = slips if deal.waited is None else slips[np.searchsorted(slips, deal.waited) :]
                if len(pool):
                    slip = pool[stream.integers(len(pool), size=draws)]
                    won &= (slip >= deal.days_left[0]) & (slip <= deal.days_left[1])
                elif not _in_time(deal, max(deal.waited or 0, 0)):  # history has no such slip: its date as it is
                    continue
            if len(ratios):
                drawn = ratios[stream.integers(len(ratios), size=draws)]
                sums += np.where(won, np.rint(deal.amount * drawn).astype(np.int64), 0)
            else:
                np.add(sums, deal.amount, out=sums, where=won)
    for each in new_deals:
        sums += _new(each, shared, weight, _stream(seed, f"new:{each.name}"), draws)
    p10, p50, p90 = (int(each) for each in np.quantile(sums, QUANTILES, method="inverted_cdf"))
    deviation = float(sums.std())
    return Distribution(
        mean=float(sums.mean()),
        deviation=deviation,
        error=deviation / sqrt(draws),
        p10=p10,
        p50=p50,
        p90=p90,
        method=Method.MONTE_CARLO,
        seed=seed,
        draws=draws,
    )


def _new(each: NewDeals, shared: Numbers, weight: float, stream: np.random.Generator, draws: int) -> Integers:
    """Draws of what new deals bring: a Poisson number of wins, whose chance the market moves as that of any deal."""
    chances = _given_market(each.probability, shared, weight)
    wins = stream.poisson(np.minimum(each.expected * chances, NEW_WINS_MAX))
    amounts = np.array(each.amounts, dtype=np.int64)
    sums: Integers = np.zeros(draws, dtype=np.int64)
    for start in range(0, draws, _STRETCH):  # because all amounts of all draws would not fit into memory
        some = wins[start : start + _STRETCH]
        drawn = amounts[stream.integers(len(amounts), size=int(some.sum()))]
        ends = np.cumsum(some)
        totals = np.concatenate([[0], np.cumsum(drawn)])
        sums[start : start + _STRETCH] = totals[ends] - totals[ends - some]
    return sums


def _given_market(probability: float, shared: Numbers, weight: float) -> Numbers:
    """The chance of a deal in each draw, once it is known how the market moved in it."""
    from scipy.special import ndtr, ndtri

    chances: Numbers = ndtr((ndtri(probability) - shared) / weight)
    return chances


def _probability(deal: OpenDeal) -> float:
    return deal.probability


def _stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers that belong to a name, whatever else is drawn (SFC64: the fastest of numpy)."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    return np.random.Generator(np.random.SFC64(seed=[seed % 2**64, key]))


# -------------------------------------------------------------------------------------------------- convolution


def convolved(deals: Sequence[OpenDeal]) -> Distribution:
    """The exact distribution of independent wins of fixed amounts.

    The deals are halved: two lists of at most 2^20 sums each stand for all 2^40 outcomes, and a quantile is looked for
    between them.
    """
    mean = sum(deal.amount * deal.probability for deal in deals)
    variance = sum(deal.amount**2 * deal.probability * (1 - deal.probability) for deal in deals)
    ordered = sorted(deals, key=lambda deal: deal.id)
    halves = _outcomes(ordered[::2]), _outcomes(ordered[1::2])
    p10, p50, p90 = (_quantile(share, *halves) for share in QUANTILES)
    return Distribution(mean=mean, deviation=sqrt(variance), p10=p10, p50=p50, p90=p90, method=Method.CONVOLUTION)


def outcomes(deals: Sequence[OpenDeal]) -> dict[int, float]:
    """Sum → its probability, for a few deals."""
    sums, shares = _outcomes(deals)
    return dict(zip(sums.tolist(), shares.tolist(), strict=True))


def _outcomes(deals: Sequence[OpenDeal]) -> tuple[Integers, Numbers]:
    sums: Integers = np.zeros(1, dtype=np.int64)
    shares: Numbers = np.ones(1)
    for deal in deals:
        both = np.concatenate([sums, sums + deal.amount])
        chance = np.concatenate([shares * (1 - deal.probability), shares * deal.probability])
        sums, place = np.unique(both, return_inverse=True)
        shares = np.bincount(place, weights=chance)
    return sums, shares


def _quantile(share: float, first: tuple[Integers, Numbers], second: tuple[Integers, Numbers]) -> int:
    """Least sum whose cumulative probability reaches the share."""
    sums, shares = first
    others, weights = second
    up_to = np.concatenate([[0.0], np.cumsum(weights)])

    def cumulative(bound: int) -> float:
        return float(shares @ up_to[np.searchsorted(others, bound - sums, side="right")])

    low, high = int(sums[0] + others[0]), int(sums[-1] + others[-1])
    while low < high:
        middle = (low + high) // 2
        if cumulative(middle) >= share - 1e-12:
            high = middle
        else:
            low = middle + 1
    return low
