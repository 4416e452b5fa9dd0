"""Snapshots of forecasts, one for each night, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import NotFound, SourceKeyReused
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.forecast.application.models import Models
from services.opportunities.forecast.application.simulations import Simulations
from services.opportunities.forecast.domain.health import PipelineHealth, health
from services.opportunities.forecast.domain.periods import Length, Period, Span, around, following, named
from services.opportunities.forecast.domain.simulation import DRAWS
from services.opportunities.forecast.domain.snapshots import (
    AccuracyReport,
    ForecastComparison,
    ForecastSnapshot,
    SnapshotPlan,
    actuals,
    by_owner,
    compare,
    judge,
    next_night,
)
from services.opportunities.forecast.domain.stages import NothingToLearn
from services.opportunities.forecast.domain.totals import Dimension, forecast
from services.opportunities.forecast.store import PLAN, ForecastStore
from services.opportunities.pipelines.domain import Pipeline
from services.opportunities.rates.domain import Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotState:
    """Pipelines of the night that are done."""

    pipeline_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotForecastsResult:
    """Outcome of a night."""

    pipelines: int
    snapshots: int


class Snapshots:
    """Forecasts as they were on a night."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store
        self._models = Models(store)
        self._simulations = Simulations(store)

    # -------------------------------------------------------------------------------------------------- the nights

    def expect(self, zones: Sequence[str]) -> None:
        """Plans the next night of pipelines in these zones."""
        blank = SnapshotPlan(id=self._store.plans.id_of(PLAN))
        self._store.plans.upsert_many([(blank, next_night(zones, identity.now()))], SnapshotPlan.expect)

    def begin(self, due: Sequence[SnapshotPlan], start: Callable[[], object]) -> None:
        """Starts the work of a night and plans the next one, both or neither: so each night is worked on once."""
        now = identity.now()
        zones = [each.time_zone for each in self._store.all_pipelines()]

        def work(id: str) -> None:
            plan = self._store.plans.get(id)
            if plan.next_time is not None and plan.next_time <= now:
                advance = partial(SnapshotPlan.advance, due=plan.next_time, following=next_night(zones, now))
                self._store.plans.update(id, advance)
                start()

        for each in due:
            self._store.database.transact(partial(work, each.id))

    def run(self, job: Job[object, SnapshotState]) -> SnapshotForecastsResult:
        """Learns, simulates and keeps the forecasts of all pipelines. What a night has already is left alone."""
        pipelines, done, kept = self._store.all_pipelines(), list(job.state.pipeline_ids), 0
        for each in pipelines:
            if each.id not in done:
                kept += self._keep(
                    each, lambda: job.progress(len(done), len(pipelines), SnapshotState(pipeline_ids=tuple(done)))
                )
                done.append(each.id)
        return SnapshotForecastsResult(pipelines=len(done), snapshots=kept)

    def _keep(self, pipeline: Pipeline, beat: Callable[[], object]) -> int:
        now = identity.now()
        today = now.astimezone(ZoneInfo(pipeline.time_zone)).date()
        wanted = [each for each in _watched(pipeline, today) if not self._kept(pipeline.id, today, each)]
        if not wanted:
            return 0
        with suppress(NothingToLearn):  # then the chances of stages will do
            self._models.fit(pipeline.id, lambda _: beat())
        deals: list[Deal] = []
        for some in self._store.deals.open_in(pipeline.id):
            deals += some
            beat()
        for period in wanted:
            self._store_snapshot(self._taken(pipeline, period, today, deals, beat))
        found = health(pipeline, deals, today, now)
        blank = PipelineHealth(id=self._store.healths.id_of(pipeline.id), pipeline_id=pipeline.id)
        self._store.database.transact(lambda: self._store.healths.upsert_many([(blank, found)], PipelineHealth.renew))
        return len(wanted)

    def _taken(
        self, pipeline: Pipeline, period: Period, today: date, deals: Sequence[Deal], beat: Callable[[], object]
    ) -> ForecastSnapshot:
        start, end = period.start_date, period.end_date
        as_of = self._store.as_of()
        currencies = forecast(self._store.open_and_won(pipeline.id, period, Dimension.ALL), start, end, today)
        simulate = partial(self._simulations.simulate, pipeline, period, deals, rates=Rates(()), beat=beat)
        return ForecastSnapshot(
            id="",
            pipeline_id=pipeline.id,
            snapshot_date=today,
            period=period.name,
            start_date=start,
            end_date=end,
            as_of_time=as_of,
            currencies=currencies,
            owners=by_owner(self._store.open_and_won(pipeline.id, period, Dimension.OWNER), start, end, today),
            overrides=tuple(self._store.overrides_of(pipeline.id, period)),
            simulations=tuple(
                simulate(currency_code=each.currency_code, seed=today.toordinal(), draws=DRAWS)
                for each in currencies
                if each.currency_code
            ),
        )

    def _kept(self, pipeline_id: str, day: date, period: Period) -> bool:
        return self._store.snapshot(pipeline_id, day, period.name) is not None

    def _store_snapshot(self, taken: ForecastSnapshot) -> None:
        try:
            self._store.keep_snapshot(taken)
        except SourceKeyReused:
            return  # another process was faster, and its snapshot stays

    # -------------------------------------------------------------------------------------------------- looking back

    def list(self, pipeline_id: str, request: PageRequest) -> Page[ForecastSnapshot]:
        """A page of the snapshots of a pipeline, the latest first."""
        self._store.pipelines.pipelines.get(pipeline_id)
        return self._store.list_snapshots(pipeline_id, request)

    def compare(self, pipeline_id: str, period: str, before: date, after: date) -> ForecastComparison:
        """Two nights of the same period. NotFound when one of them was not kept."""
        named(self._store.pipelines.pipelines.get(pipeline_id).fiscal, period)
        first, second = (self._require(pipeline_id, day, period) for day in (before, after))
        return compare(first, second)

    def _require(self, pipeline_id: str, day: date, period: str) -> ForecastSnapshot:
        found = self._store.snapshot(pipeline_id, day, period)
        if found is None:
            raise NotFound(ForecastSnapshot, f"{pipeline_id} {period} on {day.isoformat()}")
        return found

    def accuracy(self, pipeline_id: str, span: Span) -> AccuracyReport:
        """Error, bias and coverage of the forecasts of all periods that ended within another one and are over."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        within = span.within(pipeline.fiscal)
        today = identity.now().astimezone(ZoneInfo(pipeline.time_zone)).date()
        snapshots = [each for each in self._store.snapshots_of(pipeline_id, within) if each.end_date < today]
        came = {}
        for start, end in {(each.start_date, each.end_date) for each in snapshots}:
            period = Period(start_date=start, end_date=end)
            ended = (self._store.closed(pipeline_id, period, by) for by in (Dimension.ALL, Dimension.OWNER))
            came[start, end] = actuals(*ended)
        return AccuracyReport(
            pipeline_id=pipeline_id,
            as_of_time=self._store.as_of(),
            snapshots=len(snapshots),
            rows=judge([(each, came[each.start_date, each.end_date]) for each in snapshots]),
        )

    def health(self, pipeline_id: str) -> PipelineHealth:
        """The health of the data of a pipeline. NotFound before its first night."""
        found = self._store.healths.find_by_id(self._store.healths.id_of(pipeline_id))
        if found is None:
            raise NotFound(PipelineHealth, pipeline_id)
        return found


def _watched(pipeline: Pipeline, today: date) -> list[Period]:
    """The periods whose forecasts are kept: the present and the next one, of about a month and of a quarter."""
    present = [around(pipeline.fiscal, today, each) for each in (Length.PERIOD, Length.QUARTER)]
    return [each for period in present for each in (period, following(pipeline.fiscal, period))]
