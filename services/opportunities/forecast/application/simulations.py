"""Distributions of what a period brings, drawn in the child of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.operations import Job
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.forecast.domain.conversion import converted
from services.opportunities.forecast.domain.learning import PipelineModel
from services.opportunities.forecast.domain.periods import Period, Span
from services.opportunities.forecast.domain.simulation import (
    DRAWS,
    Experience,
    NewDeals,
    OpenDeal,
    distribution,
    opened_in_time,
)
from services.opportunities.forecast.domain.snapshots import SimulatedForecast
from services.opportunities.forecast.domain.totals import Dimension, forecast
from services.opportunities.forecast.store import ForecastStore
from services.opportunities.pipelines.domain import CERTAIN, ForecastCategory, Pipeline
from services.opportunities.rates.domain import Rates

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationAsked:
    """Request for the distribution of what a period brings."""

    pipeline_id: str
    period: str = ""
    start_date: date | None = None
    end_date: date | None = None
    currency_code: str = ""
    seed: int = 0
    draws: int = 0
    rho: float | None = None
    without_new_deals: bool = False

    @property
    def span(self) -> Span:
        """The period that is meant."""
        return Span(name=self.period, start_date=self.start_date, end_date=self.end_date)


class Simulations:
    """Simulations of forecasts."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store

    def check(self, pipeline_id: str, span: Span) -> None:
        """Refuses a period of no pipeline, or what is no period, before any work begins."""
        span.within(self._store.pipelines.pipelines.get(pipeline_id).fiscal)

    def run(self, job: Job[SimulationAsked, object]) -> SimulatedForecast:
        """Simulates, as an operation. It only reads, so one that is interrupted starts again."""
        asked = job.request
        pipeline = self._store.pipelines.pipelines.get(asked.pipeline_id)
        deals: list[Deal] = []
        for some in self._store.deals.open_in(pipeline.id):
            deals += some
            job.progress(len(deals), 0)
        return self.simulate(
            pipeline,
            asked.span.within(pipeline.fiscal),
            deals,
            currency_code=asked.currency_code or pipeline.currency_code,
            seed=asked.seed,
            draws=asked.draws or DRAWS,
            rho=asked.rho,
            with_new_deals=not asked.without_new_deals,
            beat=lambda: job.progress(len(deals), len(deals)),
        )

    def simulate(
        self,
        pipeline: Pipeline,
        period: Period,
        deals: Sequence[Deal],
        *,
        currency_code: str,
        seed: int,
        draws: int,
        rho: float | None = None,
        with_new_deals: bool = True,
        rates: Rates | None = None,
        beat: Callable[[], object],
    ) -> SimulatedForecast:
        """The distribution of what is won already, of open deals and of new ones."""
        zone, now = ZoneInfo(pipeline.time_zone), identity.now()
        today = now.astimezone(zone).date()
        known = rates if rates is not None else self._store.rates.on(today)
        model = self._store.model_of(pipeline.id)
        totals = self._store.open_and_won(pipeline.id, period, Dimension.ALL)
        closed = converted(forecast(totals, period.start_date, period.end_date, today), currency_code, known)
        horizon = _Horizon(period, today, now, _midnight(period.start_date, zone), _midnight(_after(period), zone))
        chances = [] if period.end_date < today else [*_chances(deals, horizon, currency_code, known, model)]
        open_deals = [each for each in chances if isinstance(each, OpenDeal)]
        new = [*_new_deals(model, horizon, currency_code, known)] if model is not None and with_new_deals else []
        correlation = rho if rho is not None else model.rho if model is not None else 0.0
        beat()
        found = distribution(
            open_deals,
            rho=correlation,
            seed=seed,
            draws=draws,
            experience=Experience(amount_ratios=model.amount_ratios, slips=model.slips) if model is not None else None,
            new_deals=new,
        )
        return SimulatedForecast(
            pipeline_id=pipeline.id,
            start_date=period.start_date,
            end_date=period.end_date,
            currency_code=currency_code,
            closed=closed.forecast.closed.amount,
            distribution=found.plus(closed.forecast.closed.amount),
            rho=correlation,
            learned_time=model.fit_time if model is not None else None,
            open_deals=len(open_deals),
            undated_deals=sum(each == _UNDATED for each in chances),
            new_deals=sum(each.expected * each.probability for each in new),
            oldest_rate_date=closed.oldest_rate_date,
            unconverted_deals=sum(each == _UNCONVERTED for each in chances),
        )


@dataclass(frozen=True, slots=True)
class _Horizon:
    period: Period
    today: date
    now: datetime
    start: datetime
    end: datetime


_UNDATED, _UNCONVERTED = "undated", "unconverted"


def _chances(
    deals: Sequence[Deal], horizon: _Horizon, currency_code: str, rates: Rates, model: PipelineModel | None
) -> Iterator[OpenDeal | str]:
    """Every open deal with its chances, or why it is not simulated."""
    for deal in deals:
        if deal.category is ForecastCategory.OMITTED or deal.amount is None:
            continue
        amount = rates.convert(deal.amount.minor_units, deal.amount.currency_code, currency_code)
        if amount is None:
            yield _UNCONVERTED
        elif deal.close_date is not None:
            yield _dated(deal, deal.close_date, amount, horizon, model)
        elif model is None:
            yield _UNDATED
        else:
            yield _undated(deal, amount, horizon, model)


def _dated(deal: Deal, close: date, amount: int, horizon: _Horizon, model: PipelineModel | None) -> OpenDeal:
    lesson = model.stage(deal.stage) if model is not None and deal.manual_expire_time is None else None
    first = max(horizon.period.start_date, horizon.today)
    return OpenDeal(
        id=deal.id,
        amount=amount,
        probability=lesson.probability if lesson is not None else deal.probability_basis_points / CERTAIN,
        days_left=((first - close).days, (horizon.period.end_date - close).days),
        waited=(horizon.today - close).days,
    )


def _undated(deal: Deal, amount: int, horizon: _Horizon, model: PipelineModel) -> OpenDeal:
    """A deal without a date: the curve of its stage tells when such deals are won."""
    entered = deal.stage_time or horizon.now
    inside, ever = model.within(deal.stage, entered, max(horizon.start, horizon.now), horizon.end)
    if deal.manual_expire_time is not None and ever > 0:
        inside *= deal.probability_basis_points / CERTAIN / ever
    return OpenDeal(id=deal.id, amount=amount, probability=min(inside, 1.0))


def _new_deals(model: PipelineModel, horizon: _Horizon, currency_code: str, rates: Rates) -> Iterator[NewDeals]:
    days_to_start = max((horizon.start - horizon.now) / _DAY, 0.0)
    days_to_end = (horizon.end - horizon.now) / _DAY
    for each in model.arrivals:
        amounts = [rates.convert(amount, each.currency_code, currency_code) for amount in each.amounts]
        known = tuple(amount for amount in amounts if amount is not None)
        if known and days_to_end > 0:
            yield opened_in_time(each, model.curve, days_to_start, days_to_end, known)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _after(period: Period) -> date:
    return period.end_date + _DAY
