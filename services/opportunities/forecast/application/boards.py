"""The board of a pipeline, read in one bounded call."""

from __future__ import annotations

from services.opportunities.forecast.application.forecasts import Forecasts
from services.opportunities.forecast.domain.board import Board, BoardStage, card
from services.opportunities.forecast.domain.periods import Span
from services.opportunities.forecast.store import ForecastStore
from services.opportunities.pipelines.domain import StageKind

CARDS = 10
"""Deals of a stage that a board shows when nobody says how many."""


class Boards:
    """Boards of pipelines."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store
        self._forecasts = Forecasts(store)

    def get(self, pipeline_id: str, span: Span, *, owner: str = "", cards: int = 0) -> Board:
        """The stages of a pipeline with the latest deals of each, and its forecast, perhaps of one owner."""
        pipeline, shown = self._store.pipelines.pipelines.get(pipeline_id), cards or CARDS
        stages = []
        for stage in pipeline.stages:
            if stage.kind is StageKind.OPEN:
                found = self._store.deals.cards(pipeline_id, stage.key, owner, shown + 1)
                if found or not stage.retired:
                    told = tuple(map(card, found[:shown]))
                    stages.append(BoardStage(stage=stage.key, cards=told, more=len(found) > shown))
        forecast = self._forecasts.get(pipeline_id, span, owner=owner)
        return Board(pipeline=pipeline, stages=tuple(stages), forecast=forecast)
