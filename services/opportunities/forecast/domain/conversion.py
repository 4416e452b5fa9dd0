"""Forecasts of several currencies in one, without guessing a rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from services.opportunities.forecast.domain.totals import CategorySums, CurrencyForecast, StageSums, Sums
from services.opportunities.pipelines.domain import ForecastCategory
from services.opportunities.rates.domain import Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconverted:
    """Deals of one currency for which there is no rate."""

    currency_code: str
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedForecast:
    """A forecast in one currency, and what is not in it."""

    forecast: CurrencyForecast
    oldest_rate_date: date | None
    unconverted_deals: int
    unconverted: tuple[Unconverted, ...]


def converted(currencies: Sequence[CurrencyForecast], target: str, rates: Rates) -> ConvertedForecast:
    """The sum of all currencies in one. What has no rate is counted and told, and adds nothing."""
    closed = slipped = undated = Sums()
    categories: dict[ForecastCategory, Sums] = {}
    stages: dict[str, Sums] = {}
    dates: list[date] = []
    lacking: list[Unconverted] = []
    for each in currencies:
        source = each.currency_code or target  # a deal without an amount counts as a deal, and needs no rate
        if source != target:
            table = rates.table_of(source, target)
            if table is None:
                lacking.append(Unconverted(currency_code=source, sums=whole(each)))
                continue
            dates.append(table.valid_date)
        closed = closed.plus(convert(each.closed, source, target, rates))
        slipped = slipped.plus(convert(each.slipped, source, target, rates))
        undated = undated.plus(convert(each.undated, source, target, rates))
        for part in each.categories:
            known = categories.get(part.category, Sums())
            categories[part.category] = known.plus(convert(part.sums, source, target, rates))
        for stage in each.stages:
            stages[stage.stage] = stages.get(stage.stage, Sums()).plus(convert(stage.sums, source, target, rates))
    counted = [sums for category, sums in categories.items() if category is not ForecastCategory.OMITTED]
    together = CurrencyForecast(
        currency_code=target,
        closed=closed,
        categories=tuple(CategorySums(category=each, sums=categories[each]) for each in sorted(categories)),
        slipped=slipped,
        undated=undated,
        stages=tuple(StageSums(stage=each, sums=stages[each]) for each in sorted(stages)),
        expected=closed.amount + sum(each.weighted for each in counted),
    )
    return ConvertedForecast(
        forecast=together,
        oldest_rate_date=min(dates, default=None),
        unconverted_deals=sum(each.sums.deals for each in lacking),
        unconverted=tuple(lacking),
    )


def whole(forecast: CurrencyForecast) -> Sums:
    """Closed, open, slipped and undated deals together."""
    total = forecast.closed.plus(forecast.slipped).plus(forecast.undated)
    for each in forecast.categories:
        total = total.plus(each.sums)
    return total


def convert(sums: Sums, source: str, target: str, rates: Rates) -> Sums:
    """Sums in another currency, of which there is a rate."""
    names = ("amount", "recurring", "weighted")
    return replace(sums, **{name: rates.convert(getattr(sums, name), source, target) or 0 for name in names})
