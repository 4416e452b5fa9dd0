"""Quality of earlier forecasts and probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Forecasts beside what came."""

    wape: float | None
    """Weighted absolute percentage error: sum of absolute errors over the sum of what came. None when nothing came."""
    bias: float | None
    """Sum of errors over the sum of what came: above zero when forecasts were too high."""
    covered: float | None
    """Share of intervals that held what came. None without intervals."""
    forecasts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One forecast and what came of it, in one currency."""

    forecast: float
    actual: float
    interval: tuple[float, float] | None = None


def accuracy(judged: Sequence[Judged]) -> Accuracy:
    """Error, bias and coverage of forecasts."""
    actual = fsum(each.actual for each in judged)
    intervals = [(each.interval, each.actual) for each in judged if each.interval is not None]
    held = [low <= value <= high for (low, high), value in intervals]
    return Accuracy(
        wape=fsum(abs(each.forecast - each.actual) for each in judged) / actual if actual else None,
        bias=fsum(each.forecast - each.actual for each in judged) / actual if actual else None,
        covered=sum(held) / len(held) if held else None,
        forecasts=len(judged),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Predictions of about the same probability."""

    lower: float
    upper: float
    count: int
    predicted: float
    """Mean probability that was told."""
    observed: float
    """Share that happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Quality of probabilities against what happened."""

    brier: float
    """Mean squared error (Brier 1950): 0 is perfect, the constant rate r scores r·(1-r)."""
    expected_error: float
    """Expected calibration error: mean distance of told and observed over the bins, weighted by their counts."""
    bins: tuple[Bin, ...]


def calibration(predictions: Iterable[tuple[float, bool]], *, bins: int = 10) -> Calibration | None:
    """Brier score and reliability bins of equal width over (probability, whether it happened). None of none."""
    told = [*predictions]
    if not told:
        return None
    filled: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for probability, happened in told:
        filled[min(int(probability * bins), bins - 1)].append((probability, happened))
    made = tuple(
        Bin(
            lower=i / bins,
            upper=(i + 1) / bins,
            count=len(each),
            predicted=fsum(p for p, _ in each) / len(each),
            observed=sum(happened for _, happened in each) / len(each),
        )
        for i, each in enumerate(filled)
        if each
    )
    return Calibration(
        brier=fsum((p - happened) ** 2 for p, happened in told) / len(told),
        expected_error=fsum(each.count * abs(each.predicted - each.observed) for each in made) / len(told),
        bins=made,
    )
