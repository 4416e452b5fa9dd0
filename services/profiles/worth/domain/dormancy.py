"""Dormancy: silence of a customer that is unusual for that very customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import median

NORMAL = 1.4826
"""Makes the median absolute deviation comparable to a standard deviation (Rousseeuw and Croux 1993)."""
DEVIATIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The gap since the last purchase against the customer's own rhythm, in days."""

    dormant: bool
    gap_days: int
    limit_days: float
    """`max(floor, median + 3 * 1.4826 * MAD)` of the gaps between days of purchase."""
    median_days: float | None
    """Absent for who bought on one day only. Then the floor alone decides."""
    deviation_days: float | None
    floor_days: int
    gap_count: int
    last_purchase_date: date


def dormancy(days: Sequence[date], today: date, *, floor_days: int) -> Silence | None:
    """Silence of a customer with purchases on these days. None for who never bought."""
    if not days:
        return None
    ordered = sorted(set(days))
    gaps = [(after - before).days for before, after in pairwise(ordered)]
    gap = max((today - ordered[-1]).days, 0)
    middle = float(median(gaps)) if gaps else None
    spread = NORMAL * median(abs(each - middle) for each in gaps) if middle is not None else None
    limit = float(floor_days)
    if middle is not None and spread is not None:
        limit = max(limit, middle + DEVIATIONS * spread)
    return Silence(
        dormant=gap > limit,
        gap_days=gap,
        limit_days=limit,
        median_days=middle,
        deviation_days=spread,
        floor_days=floor_days,
        gap_count=len(gaps),
        last_purchase_date=ordered[-1],
    )
