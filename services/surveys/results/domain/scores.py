"""Scores of a survey: NPS, CSAT and CES, each from counts that are kept as answers come in.

A score is never a mean of scores: what is pooled are counts. Two questions with another wording are not pooled at all,
unless a version declares them equivalent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import fsum, sqrt
from typing import Self

from libs.chassis.domain import OpenEnum
from libs.statistics.estimates import CONFIDENCE, Estimate, quantile, share

SCORE_BASE_MIN = 30
"""Answers below which a score is not shown."""
CELL_BASE_MIN = 5
"""Answers below which a cell of a table is not shown."""


class Metric(OpenEnum):
    """A score with its question and its scale."""

    NPS = "NPS"
    """"How likely are you to recommend us?", 0 to 10: share of 9 and 10 less share of 0 to 6, times 100 (Reichheld
    2003)."""
    CSAT = "CSAT"
    """"How satisfied are you?", 1 to 5: share of 4 and 5."""
    CES = "CES"
    """"It was easy to solve my problem", 1 to 7: mean, and share of 5 to 7 (Dixon, Freeman and Toman 2010)."""

    @property
    def scale(self) -> range:
        """Answers that there are. Blank is none of them, and is not zero."""
        return {Metric.NPS: range(11), Metric.CSAT: range(1, 6), Metric.CES: range(1, 8)}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Answers on a scale: what a score is read from, at any number of responses.

    Three sums of weights for each answer are enough for every score, its interval and its effective base.
    """

    counts: Mapping[int, int]
    """Answer → how many gave it."""
    weights: Mapping[int, float]
    """Answer → sum of the design weights of those who gave it."""
    squares: float = 0.0
    """Sum of the squares of all weights."""

    @classmethod
    def of(cls, answers: Iterable[tuple[int, float]]) -> Self:
        """The tally of (answer, weight)."""
        counts, weights, squares = dict[int, int](), dict[int, list[float]](), list[float]()
        for answer, weight in answers:
            counts[answer] = counts.get(answer, 0) + 1
            weights.setdefault(answer, []).append(weight)
            squares.append(weight * weight)
        return cls(
            counts=counts, weights={answer: fsum(each) for answer, each in weights.items()}, squares=fsum(squares)
        )

    def plus(self, other: Tally) -> Tally:
        """Both together: pooled counts."""
        answers = {*self.counts, *other.counts}
        return Tally(
            counts={each: self.counts.get(each, 0) + other.counts.get(each, 0) for each in answers},
            weights={each: self.weights.get(each, 0.0) + other.weights.get(each, 0.0) for each in answers},
            squares=self.squares + other.squares,
        )

    @property
    def base(self) -> int:
        """Answers."""
        return sum(self.counts.values())

    @property
    def effective_base(self) -> float:
        """Answers of equal weight that would tell as much: `(sum of weights)² / sum of squares` (Kish 1965)."""
        return fsum(self.weights.values()) ** 2 / self.squares if self.squares else 0.0

    def share_of(self, answers: Iterable[int]) -> float:
        """Weighted share of these answers."""
        return fsum(self.weights.get(each, 0.0) for each in answers) / fsum(self.weights.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score as it is shown, or why it is not."""

    metric: Metric
    base: int
    effective_base: float
    estimate: Estimate | None = None
    """Value with its interval. None when it is suppressed."""
    top_share: Estimate | None = None
    """Share of the answers that count as good, where the score itself is a mean."""
    suppressed_below: int = 0
    """Base that is needed and not reached. 0 when the score is shown."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Answer → how many gave it, without weights. Empty of fewer than 30 answers: one of a few would be known."""


def score(metric: Metric, tally: Tally, *, base_min: int = SCORE_BASE_MIN, confidence: float = CONFIDENCE) -> Score:
    """The score of a tally, suppressed below a base."""
    if tally.base < max(base_min, 1):
        return Score(
            metric=metric, base=tally.base, effective_base=tally.effective_base, suppressed_below=max(base_min, 1)
        )
    effective = tally.effective_base
    top_share = None
    match metric:
        case Metric.NPS:
            estimate = net_promoters(tally.share_of(range(9, 11)), tally.share_of(range(7)), effective, confidence)
        case Metric.CSAT:
            found = share(tally.share_of((4, 5)) * effective, effective, confidence)
            estimate = found if found is not None else Estimate(value=0, lower=0, upper=0, sample_size=0)
        case Metric.CES:
            estimate = _mean(tally, effective, confidence)
            top_share = share(tally.share_of((5, 6, 7)) * effective, effective, confidence)
    counts = {str(answer): count for answer, count in sorted(tally.counts.items())}
    return Score(
        metric=metric,
        base=tally.base,
        effective_base=effective,
        estimate=estimate,
        top_share=top_share,
        counts=counts if tally.base >= SCORE_BASE_MIN else {},
    )


def net_promoters(promoters: float, detractors: float, base: float, confidence: float = CONFIDENCE) -> Estimate:
    """Net promoter score with the adjusted Wald interval (Rocks 2016).

    Shares of promoters and detractors over a base, which is the effective one when answers carry weights. Three answers
    are added, three quarters of one at either end, and the interval is cut at -100 and 100.
    """
    s, v = _adjusted(promoters, detractors, base)
    reach = quantile(confidence) * sqrt(v / (base + 3))
    return Estimate(
        value=100 * (promoters - detractors),
        lower=max(100 * (s - reach), -100.0),
        upper=min(100 * (s + reach), 100.0),
        sample_size=round(base),
    )


def net_promoters_difference(first: Tally, second: Tally, confidence: float = CONFIDENCE) -> Estimate:
    """Difference of two independent net promoter scores: `z * sqrt(v1/n1 + v2/n2)` about it."""
    parts = []
    for tally in (first, second):
        promoters, detractors, base = tally.share_of(range(9, 11)), tally.share_of(range(7)), tally.effective_base
        parts.append((promoters - detractors, _adjusted(promoters, detractors, base)[1] / (base + 3)))
    value = 100 * (parts[0][0] - parts[1][0])
    reach = 100 * quantile(confidence) * sqrt(parts[0][1] + parts[1][1])
    return Estimate(value=value, lower=value - reach, upper=value + reach, sample_size=first.base + second.base)


def _adjusted(promoters: float, detractors: float, base: float) -> tuple[float, float]:
    p, d = ((each * base + 0.75) / (base + 3) for each in (promoters, detractors))
    return p - d, p + d - (p - d) ** 2


def _mean(tally: Tally, effective: float, confidence: float) -> Estimate:
    from scipy.special import stdtrit

    total = fsum(tally.weights.values())
    value = fsum(answer * weight for answer, weight in tally.weights.items()) / total
    variance = fsum(weight * (answer - value) ** 2 for answer, weight in tally.weights.items()) / total
    if effective <= 1:
        return Estimate(value=value, lower=value, upper=value, sample_size=tally.base)
    reach = float(stdtrit(effective - 1, (1 + confidence) / 2)) * sqrt(variance / (effective - 1))
    return Estimate(value=value, lower=value - reach, upper=value + reach, sample_size=tally.base)
