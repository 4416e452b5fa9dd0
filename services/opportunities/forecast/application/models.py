"""Lessons of deals that ended: learning them, and the deals that stand out against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealState
from services.opportunities.forecast.domain.learning import PipelineModel, learn, path_of
from services.opportunities.forecast.domain.periods import Period
from services.opportunities.forecast.domain.stages import Velocity, velocity
from services.opportunities.forecast.domain.totals import Dimension, Total, mean
from services.opportunities.forecast.store import ForecastStore
from services.opportunities.pipelines.domain import ForecastCategory, Pipeline

LEARNED_DAYS = 3 * 365
"""Days back that deals are learned from, by the day on which they were opened."""
VELOCITY_DAYS = 90
STALLED_DAYS = 30
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitAsked:
    """Request to learn from the deals of a pipeline."""

    pipeline_id: str


class Models:
    """Models of pipelines, and deals that are late by them."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store

    def check(self, pipeline_id: str) -> None:
        """NotFound when there is no such pipeline."""
        self._store.pipelines.pipelines.get(pipeline_id)

    def run(self, job: Job[FitAsked, object]) -> PipelineModel:
        """Learns from the deals of a pipeline, as an operation. One that is interrupted starts again."""
        return self.fit(job.request.pipeline_id, lambda done: job.progress(done, 0))

    def fit(self, pipeline_id: str, beat: Callable[[int], object]) -> PipelineModel:
        """Learns from the deals of a pipeline, with a sign of life at every stretch."""
        now, paths = identity.now(), []
        for deals in self._store.deals.opened_since(pipeline_id, now - timedelta(days=LEARNED_DAYS)):
            rows = self._store.deals.histories(deals)
            paths += [path_of(each, rows[each.id]) for each in deals]
            beat(len(paths))
        learned = learn(pipeline_id, paths, now)
        blank = PipelineModel(id=self._store.models.id_of(pipeline_id), pipeline_id=pipeline_id)
        [kept] = self._store.database.transact(
            lambda: self._store.models.upsert_many([(blank, learned)], PipelineModel.relearn)
        )
        return kept

    def get(self, pipeline_id: str) -> PipelineModel:
        """The lessons of a pipeline. NotFound before the first fit."""
        found = self._store.model_of(pipeline_id)
        if found is None:
            raise NotFound(PipelineModel, pipeline_id)
        return found

    def velocity(self, pipeline_id: str, days: int, from_stage: str) -> Velocity:
        """Value that a pipeline brings each day, by the deals that ended within so many days, in its own currency."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        today, code = self._today(pipeline), pipeline.currency_code
        period = Period(start_date=today - timedelta(days=(days or VELOCITY_DAYS) - 1), end_date=today)
        place = pipeline.place(from_stage) if from_stage else 0
        qualified = {each.key for each in pipeline.stages[place:]}
        totals = [
            each
            for each in self._store.open_and_won(pipeline_id, period, Dimension.ALL)
            if each.place.currency_code == code
        ]
        open_deals = sum(each.sums.deals for each in totals if _is_qualified(each, qualified))
        ended = [
            each for each in self._store.closed(pipeline_id, period, Dimension.ALL) if each.place.currency_code == code
        ]
        won = [each for each in ended if each.place.state is DealState.WON]
        wins, ends = (sum(each.sums.deals for each in some) for some in (won, ended))
        cycles = Counter[int]()
        for each in won:
            cycles.update({cycle.days: cycle.deals for cycle in each.cycles})
        return velocity(
            open_deals,
            wins / ends if ends else None,
            sum(each.sums.amount for each in won) / wins if wins else None,
            mean(cycles),
            currency_code=code,
            as_of_time=self._store.as_of(),
        )

    # ------------------------------------------------------------------------------------------------- late deals

    def slipped(self, pipeline_id: str, request: PageRequest) -> Page[Deal]:
        """Open deals whose close date is over, the longest ago first."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        return self._store.deals.slipped(pipeline_id, self._today(pipeline), request)

    def stalled(self, pipeline_id: str, days: int, request: PageRequest) -> Page[Deal]:
        """Open deals that nobody has changed for so many days, the longest first."""
        self._store.pipelines.pipelines.get(pipeline_id)
        return self._store.deals.stalled(pipeline_id, identity.now() - (days or STALLED_DAYS) * _DAY, request)

    def aging(self, pipeline_id: str, request: PageRequest) -> Page[Deal]:
        """Open deals that have been in their stage for longer than nine of ten won ones, or than the stage allows."""
        pipeline, now = self._store.pipelines.pipelines.get(pipeline_id), identity.now()
        model = self._store.model_of(pipeline_id)
        limits = {}
        for stage in pipeline.stages:
            lesson = model.stage(stage.key) if model is not None else None
            learned = lesson.aging_days * _DAY if lesson is not None and lesson.aging_days is not None else None
            known = [each for each in (learned, stage.greatest_age) if each is not None]
            if known:
                limits[stage.key] = now - min(known)
        if not limits:
            raise NotFound(PipelineModel, pipeline_id)
        return self._store.deals.aging(pipeline_id, limits, request)

    def _today(self, pipeline: Pipeline) -> date:
        return identity.now().astimezone(ZoneInfo(pipeline.time_zone)).date()


def _is_qualified(total: Total, stages: set[str]) -> bool:
    place = total.place
    counts = place.category is not ForecastCategory.OMITTED
    return place.state is DealState.OPEN and place.stage in stages and counts
