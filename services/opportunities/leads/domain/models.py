"""Models of leads as they are kept, with how well they foretold leads that they had not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event
from services.opportunities.forecast.domain.accuracy import calibration
from services.opportunities.leads.domain.scoring import (
    Attribute,
    ClosedLead,
    Model,
    Step,
    TooFewLeads,
    Value,
    Weights,
    fit,
    learn,
)

CERTAIN: Final = 10_000
"""A probability of one, in basis points."""
THIRDS: Final = 3
"""One part in so many of the closed leads is held back to judge a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Leads for which about the same probability was told."""

    lower: float
    upper: float
    leads: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Quality of a model of two thirds of the leads on the other third."""

    leads: int
    converted: int
    brier: float
    rate_brier: float
    """Brier score of the share of converted leads, told for all of them."""
    expected_error: float
    bins: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadModel(Entity):
    """Lessons of the closed leads of a form. It never changes: learning anew makes the next version."""

    ID_PREFIX: ClassVar[str] = "lmod"

    form_id: str
    version: int
    prior: float
    weights: tuple[Weights, ...]
    steps: tuple[Step, ...]
    leads: int
    converted: int
    held_back: HeldBack | None = None

    @classmethod
    def learn(
        cls, id: str, form_id: str, version: int, attributes: Sequence[Attribute], leads: Sequence[ClosedLead]
    ) -> Change[LeadModel]:
        """What all closed leads teach. KnownAfterwards and TooFewLeads refuse what would only seem to be a model."""
        model = learn(attributes, leads)
        kept = cls(
            id=id,
            form_id=form_id,
            version=version,
            prior=model.prior,
            weights=model.weights,
            steps=model.steps,
            leads=model.leads,
            converted=model.converted,
            held_back=_held_back(attributes, leads),
        )
        return kept, [LeadModelLearned(lead_model=kept)]

    @property
    def model(self) -> Model:
        """The model, to score with."""
        return Model(
            prior=self.prior, weights=self.weights, steps=self.steps, leads=self.leads, converted=self.converted
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadModelLearned(Event):
    """A model was learned."""

    lead_model: LeadModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFactor:
    """Part of a score that one attribute adds."""

    attribute: str
    value: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadScore:
    """Fit and engagement of a lead, with the reasons."""

    lead_id: str
    model_version: int = 0
    fit: float = 0.0
    probability_basis_points: int = 0
    factors: tuple[LeadFactor, ...] = ()
    engagement: float = 0.0
    touch_time: datetime | None = None
    touches: int = 0
    as_of_time: datetime


def basis_points(probability: float) -> int:
    """A probability in whole basis points."""
    return round(probability * CERTAIN)


def shown(value: Value) -> str:
    """A value as a factor shows it."""
    return value if isinstance(value, str) else f"{value:g}"


def _held_back(attributes: Sequence[Attribute], leads: Sequence[ClosedLead]) -> HeldBack | None:
    """The quality on a third of the leads, chosen by their ids. None when two thirds are too few to learn from."""
    rest = [each for each in leads if _third(each.id)]
    judged = [each for each in leads if not _third(each.id)]
    try:
        model = learn(attributes, rest)
    except TooFewLeads:
        return None
    told = [(fit(model, each.attributes).probability, each.converted) for each in judged]
    found = calibration(told)
    if found is None:
        return None
    rate = model.converted / model.leads
    return HeldBack(
        leads=len(judged),
        converted=sum(each.converted for each in judged),
        brier=found.brier,
        rate_brier=sum((rate - each.converted) ** 2 for each in judged) / len(judged),
        expected_error=found.expected_error,
        bins=tuple(
            ReliabilityBin(
                lower=each.lower,
                upper=each.upper,
                leads=each.count,
                predicted=each.predicted,
                observed=each.observed,
            )
            for each in found.bins
        ),
    )


def _third(id: str) -> int:
    """Number of the third that a lead belongs to. Not the digest that the folds of learning are made of."""
    return hashlib.blake2b(id.encode(), digest_size=2, person=b"held-back").digest()[1] % THIRDS
