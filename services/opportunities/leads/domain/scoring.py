"""Score of a lead: what it is (fit), what it did lately (engagement), and what that meant in the past.

Fit is a naive Bayes model with Laplace's smoothing, so that every attribute has a weight that can be shown. Attributes
that go together make it too sure of itself: the sum of weights is turned into a probability by isotonic regression
(Barlow and others 1972) over leads that the model did not learn from.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum, log
from statistics import quantiles
from typing import ClassVar, Final

from libs.chassis.domain import FailedPrecondition, InvalidArgument, OpenEnum

Value = str | float

LEADS_MIN: Final = 100
"""Closed leads from which on a model is learned."""
OUTCOME_MIN: Final = 10
"""Leads of either outcome that it takes."""
FOLDS: Final = 5
"""Parts of the history. Each is judged by a model of the others."""
BINS: Final = 5
"""Parts of about the same size that the values of a number are sorted into."""
HALF_LIFE: Final = timedelta(days=30)
"""Time after which an activity counts half."""


class KnownAfterwards(InvalidArgument):
    """{attribute} is known only after the outcome: a model that learns from it foretells the past."""

    wrong_field: ClassVar[str] = "attributes"
    attribute: str


class TooFewLeads(FailedPrecondition):
    """{converted} of {closed} closed leads were converted: at least {needed} closed leads are needed, {each} a side."""

    converted: int
    closed: int
    needed: int
    each: int


class Kind(OpenEnum):
    """Kind of the values of an attribute."""

    CATEGORY = "CATEGORY"
    NUMBER = "NUMBER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A field of a lead form."""

    key: str
    kind: Kind = Kind.CATEGORY
    known_afterwards: bool = False
    """Filled in only when the outcome is decided, as the length of the deciding call is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLead:
    """A lead whose outcome is known."""

    id: str
    attributes: Mapping[str, Value]
    converted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights of the values of one attribute."""

    attribute: str
    cuts: tuple[float, ...] = ()
    """Upper ends of the bins of a number. Empty for a category."""
    log_odds: Mapping[str, float]
    """Value, or number of its bin → what it adds to the logarithm of the odds. 0 for one that was never seen."""

    def of(self, value: Value | None) -> float:
        """Weight of a value. An absent one adds nothing."""
        return 0.0 if value is None else self.log_odds.get(_bin(value, self.cuts), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Scores from here on, up to the next step, have this probability."""

    score: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Everything that a score is read from."""

    prior: float
    """Logarithm of the odds of a lead of which nothing is known."""
    weights: tuple[Weights, ...]
    steps: tuple[Step, ...]
    """Calibration, by rising score and never falling probability."""
    leads: int
    converted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Part of a score that one attribute adds."""

    attribute: str
    value: Value
    weight: float
    """Change of the logarithm of the odds. Above zero speaks for the lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Fit of a lead, with its reasons."""

    score: float
    probability: float
    factors: tuple[Factor, ...]
    """The strongest first."""


def learn(attributes: Sequence[Attribute], leads: Sequence[ClosedLead]) -> Model:
    """The model of closed leads. KnownAfterwards and TooFewLeads refuse what would only seem to be one."""
    if late := next((each for each in attributes if each.known_afterwards), None):
        raise KnownAfterwards(attribute=late.key)
    converted = sum(lead.converted for lead in leads)
    if len(leads) < LEADS_MIN or not OUTCOME_MIN <= converted <= len(leads) - OUTCOME_MIN:
        raise TooFewLeads(converted=converted, closed=len(leads), needed=LEADS_MIN, each=OUTCOME_MIN)
    judged = list[tuple[float, bool]]()
    for fold in range(FOLDS):
        prior, weights = _weigh(attributes, [lead for lead in leads if _fold(lead.id) != fold])
        judged += [
            (_score(prior, weights, lead.attributes), lead.converted) for lead in leads if _fold(lead.id) == fold
        ]
    prior, weights = _weigh(attributes, leads)
    return Model(prior=prior, weights=weights, steps=isotonic(judged), leads=len(leads), converted=converted)


def fit(model: Model, attributes: Mapping[str, Value]) -> Fit:
    """Fit of a lead with these attributes, explained by attribute."""
    score = _score(model.prior, model.weights, attributes)
    factors = [
        Factor(attribute=each.attribute, value=attributes[each.attribute], weight=each.of(attributes[each.attribute]))
        for each in model.weights
        if each.attribute in attributes
    ]
    return Fit(
        score=score,
        probability=probability(model.steps, score),
        factors=tuple(sorted(factors, key=lambda factor: (-abs(factor.weight), factor.attribute))),
    )


def probability(steps: Sequence[Step], score: float) -> float:
    """Calibrated probability of a score."""
    place = bisect_right(steps, score, key=lambda step: step.score)
    return steps[max(place - 1, 0)].probability


def isotonic(judged: Iterable[tuple[float, bool]]) -> tuple[Step, ...]:
    """Never falling probabilities that fit (score, outcome) best, by pooling adjacent violators (Ayer and others 1955).

    Each step is drawn towards one half by one lead of either outcome, so that no probability is 0 or 1.
    """
    blocks = list[tuple[float, int, int]]()
    for score, outcome in sorted(judged):
        start, won, count = score, int(outcome), 1
        while blocks and (blocks[-1][0] == start or blocks[-1][1] * count >= won * blocks[-1][2]):
            start, before, size = blocks.pop()
            won, count = won + before, count + size
        blocks.append((start, won, count))
    steps, reached = list[Step](), 0.0
    for start, won, count in blocks:
        reached = max(reached, (won + 1) / (count + 2))
        steps.append(Step(score=start, probability=reached))
    return tuple(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something a lead did."""

    points: float
    time: datetime


def engagement(activities: Iterable[Activity], now: datetime, half_life: timedelta = HALF_LIFE) -> float:
    """Points of what a lead did, halved with every half-life: `sum of w * 2^(-age / half-life)`.

    What lies in the future counts as if it were now.
    """
    return fsum(each.points * 2.0 ** -(max(now - each.time, timedelta(0)) / half_life) for each in activities)


# -------------------------------------------------------------------------------------------------------- learning


def _fold(id: str) -> int:
    return hashlib.blake2b(id.encode(), digest_size=2).digest()[0] % FOLDS


def _weigh(attributes: Sequence[Attribute], leads: Sequence[ClosedLead]) -> tuple[float, tuple[Weights, ...]]:
    converted = sum(lead.converted for lead in leads)
    prior = log((converted + 1) / (len(leads) - converted + 1))
    return prior, tuple(_weights(each, leads) for each in attributes)


def _weights(attribute: Attribute, leads: Sequence[ClosedLead]) -> Weights:
    known = [(lead.attributes[attribute.key], lead.converted) for lead in leads if attribute.key in lead.attributes]
    cuts: tuple[float, ...] = ()
    if attribute.kind is Kind.NUMBER:
        numbers = sorted(value for value, _ in known if isinstance(value, int | float))
        cuts = tuple(dict.fromkeys(quantiles(numbers, n=BINS))) if len(numbers) > 1 else ()
    counts = {
        outcome: Counter(_bin(value, cuts) for value, each in known if each is outcome) for outcome in (True, False)
    }
    seen = {*counts[True], *counts[False]}
    totals = {outcome: counts[outcome].total() + len(seen) for outcome in counts}
    return Weights(
        attribute=attribute.key,
        cuts=cuts,
        log_odds={
            each: log((counts[True][each] + 1) / totals[True]) - log((counts[False][each] + 1) / totals[False])
            for each in sorted(seen)
        },
    )


def _bin(value: Value, cuts: tuple[float, ...]) -> str:
    if isinstance(value, str):
        return value
    return str(bisect_right(cuts, value)) if cuts else str(value)


def _score(prior: float, weights: Sequence[Weights], attributes: Mapping[str, Value]) -> float:
    return fsum([prior, *(each.of(attributes.get(each.attribute)) for each in weights)])
