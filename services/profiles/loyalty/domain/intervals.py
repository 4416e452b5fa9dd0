"""Intervals of 95 % for shares and means."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval of 95 % and the number of cases that it rests on."""

    value: float
    lower: float
    upper: float
    sample_size: int


def share(hits: int, cases: int) -> Estimate | None:
    """A share with Wilson's interval (1927), which stays inside of 0 and 1. None of no cases."""
    if not cases:
        return None
    p, z2 = hits / cases, Z_95 * Z_95
    centre = (p + z2 / (2 * cases)) / (1 + z2 / cases)
    reach = Z_95 / (1 + z2 / cases) * sqrt(p * (1 - p) / cases + z2 / (4 * cases * cases))
    return Estimate(
        value=p, lower=min(max(centre - reach, 0.0), p), upper=max(min(centre + reach, 1.0), p), sample_size=cases
    )


def ratio(total: float, base: float, squares: tuple[float, float, float], cases: int) -> Estimate | None:
    """A ratio of two sums over the same cases with the interval of the ratio estimator (Cochran 1977, 6.4).

    `squares` are the sums of total², total·base and base² over the cases; None where the base is nothing.
    """
    if not base:
        return None
    value = total / base
    upper_upper, mixed, lower_lower = squares
    residual = max(upper_upper - 2 * value * mixed + value * value * lower_lower, 0.0)
    reach = Z_95 * sqrt(residual * cases / (cases - 1)) / base if cases > 1 else 0.0
    return Estimate(value=value, lower=value - reach, upper=value + reach, sample_size=cases)
