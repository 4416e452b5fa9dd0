"""The board of a pipeline: its stages with the latest deals of each, in one look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.terms import Money, NextStep
from services.opportunities.forecast.domain.plans import Forecast
from services.opportunities.pipelines.domain import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCard:
    """A deal, as far as a board shows it."""

    deal_id: str
    display_name: str
    owner: str
    amount: Money | None
    close_date: date | None
    stage_time: datetime | None
    next_step: NextStep | None
    probability_basis_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardStage:
    """A stage with its latest deals. How many there are in all, the forecast tells."""

    stage: str
    cards: tuple[BoardCard, ...]
    more: bool
    """True when the stage has more deals than are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All open stages of a pipeline, and its forecast."""

    pipeline: Pipeline
    stages: tuple[BoardStage, ...]
    forecast: Forecast


def card(deal: Deal) -> BoardCard:
    """The card of a deal."""
    return BoardCard(
        deal_id=deal.id,
        display_name=deal.display_name,
        owner=deal.owner,
        amount=deal.amount,
        close_date=deal.close_date,
        stage_time=deal.stage_time,
        next_step=deal.next_step,
        probability_basis_points=deal.probability_basis_points,
    )
