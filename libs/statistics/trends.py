"""Trend of a series that a few wild values must not decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from statistics import median

from libs.statistics.estimates import CONFIDENCE, Estimate, quantile


def theil_sen(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """Slope of equally spaced values per step: the median of the slopes of all pairs (Theil 1950, Sen 1968).

    The interval is Sen's: the slopes at ranks `(N -+ C) / 2` of the N pairs, where C is the normal quantile times the
    standard deviation of Kendall's score, with the correction for ties (Kendall 1955). Up to 29 % of the values may be
    wild. None of fewer than two values.
    """
    n = len(values)
    if n < 2:
        return None
    slopes = sorted((later - sooner) / (j - i) for (i, sooner), (j, later) in combinations(enumerate(values), 2))
    ties = sum(count * (count - 1) * (2 * count + 5) for count in Counter(values).values())
    reach = quantile(confidence) * sqrt(max(n * (n - 1) * (2 * n + 5) - ties, 0) / 18)
    low, high = round((len(slopes) - reach) / 2), round((len(slopes) + reach) / 2)
    return Estimate(
        value=median(slopes),
        lower=slopes[max(low - 1, 0)],
        upper=slopes[min(high, len(slopes) - 1)],
        sample_size=n,
    )
