"""Quotas and overrides: what people plan, beside what the sums say."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from libs.chassis import context, identity
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.domain.conversion import converted
from services.opportunities.forecast.domain.periods import Period, Span
from services.opportunities.forecast.domain.plans import (
    Coverage,
    CoverageReport,
    ForecastOverride,
    Quota,
    check_currency,
    coverage,
)
from services.opportunities.forecast.domain.totals import Dimension, Total, forecast
from services.opportunities.forecast.store import ForecastStore


class Plans:
    """Quotas, what covers them, and overrides of forecasts."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store

    def override(self, pipeline_id: str, span: Span, owner: str, amount: Money | None, reason: str) -> ForecastOverride:
        """Sets what a person expects of a period, or withdraws it without an amount."""
        period = self._period(pipeline_id, span)
        check_currency(amount)
        blank = ForecastOverride(
            id=self._store.overrides.id_of(f"{_key(pipeline_id, period)}:{owner}"),
            pipeline_id=pipeline_id,
            start_date=period.start_date,
            end_date=period.end_date,
            owner=owner,
        )
        actor, now = context.current().actor, identity.now()
        [stored] = self._store.overrides.upsert_many(
            [(blank, amount)], lambda each, amount: each.set(amount, reason, actor=actor, now=now)
        )
        return stored

    def set_quota(self, pipeline_id: str, span: Span, by: Dimension, key: str, amount: Money | None) -> Quota:
        """Sets a quota, or takes it away without an amount."""
        period = self._period(pipeline_id, span)
        blank = Quota(
            id=self._store.quotas.id_of(f"{_key(pipeline_id, period)}:{by}:{key}"),
            pipeline_id=pipeline_id,
            start_date=period.start_date,
            end_date=period.end_date,
            dimension=by,
            key=key,
        )
        blank.check()
        check_currency(amount)
        [stored] = self._store.quotas.upsert_many([(blank, amount)], Quota.set)
        return stored

    def coverages(self, pipeline_id: str, span: Span) -> CoverageReport:
        """The quotas of a period with what covers them."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        period = span.within(pipeline.fiscal)
        quotas = self._store.quotas_of(pipeline_id, period)
        today = identity.now().astimezone(ZoneInfo(pipeline.time_zone)).date()
        rates = self._store.rates.on(today)
        totals = {by: self._by_key(pipeline_id, period, by) for by in {each.dimension for each in quotas}}
        found: list[Coverage] = []
        for each in quotas:
            if each.amount is not None:
                theirs = totals[each.dimension].get(each.key, [])
                currencies = forecast(theirs, period.start_date, period.end_date, today)
                in_one = converted(currencies, each.amount.currency_code, rates)
                found.append(coverage(each, each.amount.minor_units, in_one))
        return CoverageReport(
            pipeline_id=pipeline_id,
            start_date=period.start_date,
            end_date=period.end_date,
            as_of_time=self._store.as_of(),
            coverages=tuple(found),
        )

    def _by_key(self, pipeline_id: str, period: Period, by: Dimension) -> dict[str, list[Total]]:
        found: dict[str, list[Total]] = {}
        for each in self._store.open_and_won(pipeline_id, period, by):
            found.setdefault(each.place.key, []).append(each)
        return found

    def _period(self, pipeline_id: str, span: Span) -> Period:
        return replace(span.within(self._store.pipelines.pipelines.get(pipeline_id).fiscal), name="")


def _key(pipeline_id: str, period: Period) -> str:
    return f"{pipeline_id}:{period.start_date.isoformat()}:{period.end_date.isoformat()}"
