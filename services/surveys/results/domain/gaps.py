"""Service-quality gaps: what customers expect beside what they perceive, and where in the company the distance arises.

SERVQUAL after Parasuraman, Zeithaml and Berry (1985, 1988), with SERVPERF (Cronin and Taylor 1992) beside it, because
differences of scores are noisy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from libs.chassis.domain import OpenEnum
from libs.statistics.estimates import Estimate, mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One statement, rated as an excellent company would be and as this one is. None where an answer is missing."""

    expectation: float | None
    perception: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionGap:
    """One dimension of service quality over all respondents who rated it."""

    dimension: str
    expectation: Estimate | None
    perception: Estimate | None
    """SERVPERF: perception alone."""
    gap: Estimate | None
    """SERVQUAL, gap 5: mean over respondents of their mean of perception less expectation. Below zero where the company
    falls short. None when nobody rated a whole pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servqual:
    """All dimensions, and the whole."""

    dimensions: tuple[DimensionGap, ...]
    overall: float | None
    """Mean of the gaps, weighted by the points that respondents gave to the dimensions where they gave any."""


def servqual(
    respondents: Sequence[Mapping[str, Sequence[Pair]]], points: Mapping[str, float] | None = None
) -> Servqual:
    """Gaps of every dimension. `points` are mean points of importance, a dimension each; equal when absent."""
    names = list(dict.fromkeys(name for each in respondents for name in each))
    found = tuple(_dimension(name, [each[name] for each in respondents if name in each]) for name in names)
    weights = {name: (points or {}).get(name, 0.0 if points else 1.0) for name in names}
    rated = [(each.gap.value, weights[each.dimension]) for each in found if each.gap is not None]
    total = fsum(weight for _, weight in rated)
    return Servqual(
        dimensions=found, overall=fsum(gap * weight for gap, weight in rated) / total if total > 0 else None
    )


def _dimension(name: str, ratings: Sequence[Sequence[Pair]]) -> DimensionGap:
    expected, perceived, gaps = list[float](), list[float](), list[float]()
    for pairs in ratings:
        expectations = [pair.expectation for pair in pairs if pair.expectation is not None]
        perceptions = [pair.perception for pair in pairs if pair.perception is not None]
        both = [
            pair.perception - pair.expectation
            for pair in pairs
            if pair.perception is not None and pair.expectation is not None
        ]
        expected += [fsum(expectations) / len(expectations)] if expectations else []
        perceived += [fsum(perceptions) / len(perceptions)] if perceptions else []
        gaps += [fsum(both) / len(both)] if both else []
    return DimensionGap(dimension=name, expectation=mean(expected), perception=mean(perceived), gap=mean(gaps))


class Gap(OpenEnum):
    """Distances inside the company that add up to what the customer feels as gap 5."""

    KNOWLEDGE = "KNOWLEDGE"
    """Gap 1: what managers believe that customers expect, less what these expect."""
    STANDARDS = "STANDARDS"
    """Gap 2: what is specified, less what managers believe that customers expect."""
    DELIVERY = "DELIVERY"
    """Gap 3: what is delivered, less what is specified: attainment of service levels, schedules, audits."""
    COMMUNICATION = "COMMUNICATION"
    """Gap 4: what is delivered, less what was promised: kept promises, claims, announced times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """Cases of something that was specified or promised, and those in which it came true."""

    source: str
    """Measure that it comes from, for example `promise.kept` or `sla.first_response`."""
    met: int
    cases: int


def shortfall(measures: Sequence[Fulfilment]) -> float | None:
    """Gap 3 or 4 from operational data: share that came true less one, pooled over all cases. None of no cases."""
    cases = sum(each.cases for each in measures)
    return sum(each.met for each in measures) / cases - 1 if cases else None
