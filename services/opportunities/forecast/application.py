"""Forecasts and reports, read from sums that follow the deals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis import context, identity
from libs.chassis.domain import Change, InvalidArgument
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.forecast.domain.totals import (
    DealPosition,
    Dimension,
    Entry,
    Forecast,
    SalesReport,
    Total,
    TotalsHead,
    entries,
    forecast,
    moved,
    results,
)
from services.opportunities.forecast.store import ForecastStore


class PeriodBackward(InvalidArgument):
    """The period would end on {end_date}, before it begins on {start_date}."""

    wrong_field: ClassVar[str] = "end_date"
    start_date: str
    end_date: str


class Forecasts:
    """Forecasts of open deals, and reports of closed ones."""

    def __init__(self, store: ForecastStore) -> None:
        self._store = store

    def get(self, pipeline_id: str, start: date, end: date, *, owner: str = "") -> Forecast:
        """Tells what a period brings, of everybody or of one owner."""
        _require_forward(start, end)
        pipeline = self._store.pipelines.pipelines.get(pipeline_id)
        today = identity.now().astimezone(ZoneInfo(pipeline.time_zone)).date()
        dimension = Dimension.OWNER if owner else Dimension.ALL
        totals = self._store.open_and_won(pipeline_id, start, end, owner, dimension)
        return Forecast(
            pipeline_id=pipeline_id,
            start_date=start,
            end_date=end,
            today_date=today,
            as_of_time=self._as_of(),
            currencies=forecast(totals, start, end, today),
        )

    def report(self, pipeline_id: str, start: date, end: date, by: Dimension, *, by_month: bool) -> SalesReport:
        """Tells how deals ended that were closed within a period, by owner, product and so on."""
        _require_forward(start, end)
        self._store.pipelines.pipelines.get(pipeline_id)
        totals = self._store.closed(pipeline_id, start, end, by)
        return SalesReport(
            pipeline_id=pipeline_id,
            dimension=by,
            as_of_time=self._as_of(),
            results=results(totals, by_month=by_month),
        )

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
                changes += [(_total(entry), (entry, sign)) for entry, sign in moved(before.entries, each.entries)]
        self._store.positions.upsert_many(((DealPosition(id=each.id), each) for each in news), DealPosition.take)
        self._store.totals.upsert_many(changes, _add)
        head = TotalsHead(id=identity.derived_id(TotalsHead.ID_PREFIX, context.current().tenant))
        self._store.heads.upsert_many(((head, time) for _, _, time in heard), TotalsHead.reach)

    def _as_of(self) -> datetime | None:
        found = self._store.heads.find_by_id(identity.derived_id(TotalsHead.ID_PREFIX, context.current().tenant))
        return found.as_of_time if found is not None else None


def _total(entry: Entry) -> Total:
    place = entry.place
    parts = (place.currency_code, place.dimension, place.key, str(place.close_date), place.stage, place.state)
    id = identity.derived_id(
        Total.ID_PREFIX, context.current().tenant, place.pipeline_id, *map(str, parts), place.category
    )
    return Total(id=id, place=place)


def _add(total: Total, change: tuple[Entry, int]) -> Change[Total]:
    return total.add(*change)


def _require_forward(start: date, end: date) -> None:
    if end < start:
        raise PeriodBackward(start_date=start.isoformat(), end_date=end.isoformat())
