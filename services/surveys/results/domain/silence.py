"""People with a problem who say nothing, and what that may cost (TARP 1979; Goodman 2009)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from libs.chassis.domain import OpenEnum
from libs.statistics.estimates import CONFIDENCE, Estimate, share

BOOTSTRAP_DRAWS = 2000


class Outcome(OpenEnum):
    """Experience of a customer with a problem."""

    NO_PROBLEM = "NO_PROBLEM"
    SATISFIED = "SATISFIED"
    """Had a problem, told of it, and was satisfied."""
    MOLLIFIED = "MOLLIFIED"
    """Had a problem, told of it, and was not quite content with the answer."""
    DISSATISFIED = "DISSATISFIED"
    """Had a problem, told of it, and was left dissatisfied."""
    SILENT = "SILENT"
    """Had a problem and told nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Answer of one respondent."""

    outcome: Outcome
    buys_again: bool | None = None
    """Intention to buy again. None when it was not asked or not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Estimate of silent sufferers in a customer base."""

    problem_rate: Estimate
    silent_rate: Estimate | None
    """Share of those with a problem who said nothing. None when nobody had one."""
    people: Estimate
    """Silent sufferers in the whole base."""
    revenue_at_risk: Estimate
    """Value that may be lost over all who had a problem: share of each group, times how much less it means to buy again
    than those without a problem, times the value of the base."""


def silence(
    told: Sequence[Told], *, base: int, value: float, seed: int, confidence: float = CONFIDENCE
) -> Silence | None:
    """Silent sufferers and revenue at risk among `base` customers who are worth `value` each. None of no answers.

    Intervals of people and revenue are percentiles of a bootstrap over respondents (Efron 1979) that the seed
    reproduces.
    """
    problems = [each for each in told if each.outcome is not Outcome.NO_PROBLEM]
    rate = share(len(problems), len(told), confidence)
    if rate is None:
        return None
    silent = sum(each.outcome is Outcome.SILENT for each in problems)
    codes = {outcome: code for code, outcome in enumerate(Outcome)}
    sample = np.array([[codes[each.outcome], -1 if each.buys_again is None else each.buys_again] for each in told])
    generator = np.random.Generator(np.random.Philox(key=seed % 2**64))
    drawn = [_figures(sample[generator.integers(len(told), size=len(told))]) for _ in range(BOOTSTRAP_DRAWS)]
    people, risk = (
        _estimate(measured, [each[place] for each in drawn], scale, len(told), confidence)
        for place, (measured, scale) in enumerate(zip(_figures(sample), (base, base * value), strict=True))
    )
    return Silence(
        problem_rate=rate,
        silent_rate=share(silent, len(problems), confidence),
        people=people,
        revenue_at_risk=risk,
    )


def _figures(sample: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[float, float]:
    """(share who suffer in silence, share of the value that is at risk)."""
    outcomes, intents = sample[:, 0], sample[:, 1]
    codes: Mapping[Outcome, int] = {outcome: code for code, outcome in enumerate(Outcome)}

    def loyal(outcome: Outcome) -> float | None:
        asked = intents[(outcomes == codes[outcome]) & (intents >= 0)]
        return float(asked.mean()) if len(asked) else None

    content = loyal(Outcome.NO_PROBLEM)
    risk = 0.0
    if content is not None:
        for outcome in Outcome:
            intent = loyal(outcome)
            if outcome is not Outcome.NO_PROBLEM and intent is not None:
                risk += float((outcomes == codes[outcome]).mean()) * max(content - intent, 0.0)
    return float((outcomes == codes[Outcome.SILENT]).mean()), risk


def _estimate(measured: float, drawn: Sequence[float], scale: float, base: int, confidence: float) -> Estimate:
    tail = (1 - confidence) / 2
    lower, upper = (float(each) for each in np.quantile(np.array(drawn), (tail, 1 - tail)))
    return Estimate(value=measured * scale, lower=lower * scale, upper=upper * scale, sample_size=base)
