"""Figures that rest on a sample, with their intervals.

scipy is imported where it is needed: it costs a process 20 MB, and most figures do without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95
"""Share of intervals that hold the true value, unless a caller asks for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval and the number of cases that it rests on."""

    value: float
    lower: float
    upper: float
    sample_size: int


def quantile(confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of the normal distribution: 1.959964 at 95 %."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def share(hits: float, cases: float, confidence: float = CONFIDENCE) -> Estimate | None:
    """Share with Wilson's score interval (1927), which stays inside 0 and 1. None of no cases.

    Weighted shares pass the effective number of cases and the hits scaled to it.
    """
    if cases <= 0:
        return None
    p, z2 = hits / cases, quantile(confidence) ** 2
    center = (p + z2 / (2 * cases)) / (1 + z2 / cases)
    reach = sqrt(z2) / (1 + z2 / cases) * sqrt(p * (1 - p) / cases + z2 / (4 * cases * cases))
    return Estimate(
        value=p, lower=min(max(center - reach, 0.0), p), upper=max(min(center + reach, 1.0), p), sample_size=int(cases)
    )


def share_difference(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two independent shares with Newcombe's hybrid score interval (1998, method 10).

    Both shares carry Wilson intervals of the same confidence, as `share` makes them.
    """
    value = first.value - second.value
    return Estimate(
        value=value,
        lower=value - sqrt((first.value - first.lower) ** 2 + (second.upper - second.value) ** 2),
        upper=value + sqrt((first.upper - first.value) ** 2 + (second.value - second.lower) ** 2),
        sample_size=first.sample_size + second.sample_size,
    )


def mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """Arithmetic mean with Student's t interval. None of no values, and an interval without width of one."""
    n = len(values)
    if not n:
        return None
    value = fsum(values) / n
    if n == 1:
        return Estimate(value=value, lower=value, upper=value, sample_size=1)
    deviation = sqrt(fsum((each - value) ** 2 for each in values) / (n - 1))
    from scipy.special import stdtrit

    reach = float(stdtrit(n - 1, (1 + confidence) / 2)) * deviation / sqrt(n)
    return Estimate(value=value, lower=value - reach, upper=value + reach, sample_size=n)


def rate(events: int, exposure: float, confidence: float = CONFIDENCE) -> Estimate | None:
    """Events per unit of exposure with the exact Poisson interval (Garwood 1936). None without exposure."""
    if exposure <= 0:
        return None
    if events < 0:
        raise ValueError(f"no count is negative: {events}")
    tail = (1 - confidence) / 2
    from scipy.special import gammaincinv

    lower = float(gammaincinv(events, tail)) if events else 0.0
    upper = float(gammaincinv(events + 1, 1 - tail))
    return Estimate(value=events / exposure, lower=lower / exposure, upper=upper / exposure, sample_size=events)


def ratio(total: float, base: float, squares: tuple[float, float, float], cases: int) -> Estimate | None:
    """Ratio of two sums over the same cases with the interval of the ratio estimator (Cochran 1977, 6.4).

    `squares` are the sums of total², total·base and base² over the cases. None where the base is nothing.
    """
    if not base:
        return None
    value = total / base
    total_total, mixed, base_base = squares
    residual = max(total_total - 2 * value * mixed + value * value * base_base, 0.0)
    reach = quantile() * sqrt(residual * cases / (cases - 1)) / base if cases > 1 else 0.0
    return Estimate(value=value, lower=value - reach, upper=value + reach, sample_size=cases)
