"""Recency, frequency and monetary value (Bult and Wansbeek 1995, Hughes 1994)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import fmean, median
from zoneinfo import ZoneInfo

from libs.chassis.domain import InvalidArgument, OpenEnum

FIFTHS = 5
TIED_SHARE = 0.4
"""Share of all above which one value makes quintiles cut inside a tie."""
FREQUENCY_BREAKS = (2, 3, 5, 9)
"""The least frequency that scores 2, 3, 4, 5 when frequency is heavily tied at one purchase."""


class Method(OpenEnum):
    """Source of the breaks between two scores."""

    QUINTILE = "QUINTILE"
    FIXED = "FIXED"
    """Declared ones, because the values are heavily tied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Scale that makes one of the three values a score from 1 to 5."""

    method: Method
    breaks: tuple[int, ...]
    """For the scores 2 to 5, the least value that has the score. Or, where less is better, the greatest."""
    descending: bool = False
    """Less is better, as with recency."""
    mean: float
    median: float

    def score(self, value: int) -> int:
        """1 is the worst fifth, 5 the best."""
        if self.descending:
            return 1 + sum(value <= limit for limit in self.breaks)
        return 1 + sum(value >= limit for limit in self.breaks)


def recency_days(last: datetime, as_of: date, time_zone: str) -> int:
    """Days from the last purchase to `as_of` by the calendar of a time zone. Never negative."""
    return max((as_of - last.astimezone(ZoneInfo(time_zone)).date()).days, 0)


def scale(values: Sequence[int], *, descending: bool = False, fixed: Sequence[int] = ()) -> Scale:
    """The scale of many values: fifths by rank with average ties, `score = 1 + floor(5 * (rank - 1) / n)`.

    With `fixed`, those breaks are used when one value alone is held by more than two fifths of all customers.
    """
    if not values:
        raise InvalidArgument.field("values", "nobody bought anything in the window, so there is nothing to rank")
    n = len(values)
    ordered = sorted((-value for value in values) if descending else values)
    breaks = []
    most_tied, at = 0, 0
    reached = 1
    while at < n:
        value = ordered[at]
        end = bisect_right(ordered, value, at)
        most_tied = max(most_tied, end - at)
        # Twice the average rank of the tied ones is first + last, so everything stays whole.
        score = 1 + FIFTHS * (at + 1 + end - 2) // (2 * n)
        while reached < score:
            breaks.append(-value if descending else value)
            reached += 1
        at = end
    while reached < FIFTHS:  # Nobody reaches the highest scores: a value beyond the best would.
        breaks.append(-(ordered[-1] + 1) if descending else ordered[-1] + 1)
        reached += 1
    tied = bool(fixed) and most_tied > TIED_SHARE * n
    return Scale(
        method=Method.FIXED if tied else Method.QUINTILE,
        breaks=tuple(fixed) if tied else tuple(breaks),
        descending=descending,
        mean=fmean(values),
        median=float(median(values)),
    )


def rank_score(values: Sequence[int], value: int) -> int:
    """The definition itself, for one value among ascending ones."""
    first, last = bisect_left(values, value) + 1, bisect_right(values, value)
    return 1 + FIFTHS * (first + last - 2) // (2 * len(values))
