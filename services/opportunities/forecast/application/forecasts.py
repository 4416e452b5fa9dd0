"""Forecasts and reports, read from sums that follow the deals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from libs.chassis import context, identity
from libs.chassis.domain import Change
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealState
from services.opportunities.deals.domain.terms import Money
from services.opportunities.forecast.domain.conversion import converted
from services.opportunities.forecast.domain.periods import Period, Span
from services.opportunities.forecast.domain.plans import Dependency, Forecast, RevenueMixReport, dependency, revenue_mix
from services.opportunities.forecast.domain.totals import (
    DealPosition,
    Dimension,
    Entry,
    SalesReport,
    Total,
    TotalsHead,
    entries,
    forecast,
    moved,
    results,
)
from services.opportunities.forecast.store import HEAD, ForecastStore

_DAY = timedelta(days=1)


class Forecasts:
    """Forecasts of open deals, and reports of closed ones."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store

    def get(self, pipeline_id: str, span: Span, *, owner: str = "", convert_to: str = "") -> Forecast:
        """Tells what a period brings, of everybody or of one owner."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        period = span.within(pipeline.fiscal)
        today = identity.now().astimezone(ZoneInfo(pipeline.time_zone)).date()
        dimension = Dimension.OWNER if owner else Dimension.ALL
        totals = self._store.open_and_won(pipeline_id, period, dimension, owner)
        currencies = forecast(totals, period.start_date, period.end_date, today)
        rates = self._store.rates.on(today) if convert_to else None
        return Forecast(
            pipeline_id=pipeline_id,
            start_date=period.start_date,
            end_date=period.end_date,
            today_date=today,
            as_of_time=self._store.as_of(),
            currencies=currencies,
            converted=converted(currencies, convert_to, rates) if rates is not None else None,
            overrides=tuple(
                each for each in self._store.overrides_of(pipeline_id, period) if not owner or each.owner == owner
            ),
        )

    def report(self, pipeline_id: str, span: Span, by: Dimension, *, by_month: bool) -> SalesReport:
        """Tells how deals ended that were closed within a period, by owner, product and so on."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        totals = self._store.closed(pipeline_id, span.within(pipeline.fiscal), by)
        return SalesReport(
            pipeline_id=pipeline_id,
            dimension=by,
            as_of_time=self._store.as_of(),
            results=results(totals, by_month=by_month),
        )

    def mix(self, pipeline_id: str, span: Span) -> RevenueMixReport:
        """Revenue by channel within a period, beside that of as many days before it."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        period = span.within(pipeline.fiscal)
        days = timedelta(days=period.days)
        before = Period(start_date=period.start_date - days, end_date=period.start_date - _DAY)
        now, then = (self._revenue(pipeline_id, each, Dimension.CHANNEL) for each in (period, before))
        codes = sorted({code for code, _ in (*now, *then)})
        return RevenueMixReport(
            pipeline_id=pipeline_id,
            start_date=period.start_date,
            end_date=period.end_date,
            before_start_date=before.start_date,
            before_end_date=before.end_date,
            as_of_time=self._store.as_of(),
            mixes=tuple(
                revenue_mix(
                    code, *({key: sum for (of, key), sum in each.items() if of == code} for each in (now, then))
                )
                for code in codes
            ),
        )

    def depends(self, pipeline_id: str, span: Span, customer_id: str, spend: Money) -> Dependency:
        """Tells how far a customer and the company depend on each other, in the currency of the customer's spend."""
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        period, code = span.within(pipeline.fiscal), spend.currency_code
        every = self._revenue(pipeline_id, period, Dimension.ALL)
        group = self._store.customers.group(customer_id)
        theirs = [self._revenue(pipeline_id, period, Dimension.CUSTOMER, id).get((code, id), 0) for id in group]
        return dependency(customer_id, code, sum(theirs), every.get((code, ""), 0), spend.minor_units)

    def _revenue(self, pipeline_id: str, period: Period, by: Dimension, key: str = "") -> dict[tuple[str, str], int]:
        """(currency, key) → what won deals brought within a period."""
        found: dict[tuple[str, str], int] = {}
        for each in self._store.closed(pipeline_id, period, by, key):
            if each.place.state is DealState.WON:
                at = each.place.currency_code, each.place.key
                found[at] = found.get(at, 0) + each.sums.amount
        return found

    # ------------------------------------------------------------------------------------------------- following

    def follow(self, heard: Sequence[tuple[Deal, int, datetime]]) -> None:
        """Brings the sums up to (deal, its revision, time of the change). What was heard before changes nothing."""
        latest: dict[str, tuple[Deal, int]] = {}
        for deal, revision, _ in heard:
            if revision > latest.get(deal.id, (deal, -1))[1]:
                latest[deal.id] = (deal, revision)
        news = [
            DealPosition(id=id, source_revision=revision, entries=tuple(entries(deal)))
            for id, (deal, revision) in latest.items()
        ]
        known = {each.id: each for each in (self._store.positions.find_by_id(each.id) for each in news) if each}
        changes: list[tuple[Total, tuple[Entry, int]]] = []
        for each in news:
            before = known.get(each.id, DealPosition(id=each.id))
            if each.source_revision > before.source_revision:
                changes += [(total_of(entry), (entry, sign)) for entry, sign in moved(before.entries, each.entries)]
        self._store.positions.upsert_many(((DealPosition(id=each.id), each) for each in news), DealPosition.take)
        self._store.totals.upsert_many(changes, _add)
        head = TotalsHead(id=self._store.heads.id_of(HEAD))
        self._store.heads.upsert_many(((head, time) for _, _, time in heard), TotalsHead.reach)


def total_of(entry: Entry) -> Total:
    """The sums that an entry goes into, as nothing but their place."""
    place = entry.place
    parts = (place.currency_code, place.dimension, place.key, str(place.close_date), place.stage, place.state)
    id = identity.derived_id(
        Total.ID_PREFIX, context.current().tenant, place.pipeline_id, *map(str, parts), place.category
    )
    return Total(id=id, place=place)


def _add(total: Total, change: tuple[Entry, int]) -> Change[Total]:
    return total.add(*change)
