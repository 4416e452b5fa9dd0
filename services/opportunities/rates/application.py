"""Rates: recording what a bank publishes."""

from __future__ import annotations

from dataclasses import replace

from libs.chassis.paging import Page, PageRequest
from services.opportunities.rates.domain import RateTable
from services.opportunities.rates.store import RatesStore


class ExchangeRates:
    """Tables of exchange rates."""

    def __init__(self, store: RatesStore) -> None:
        self._store = store

    def record(self, told: RateTable) -> RateTable:
        """The table of a day, in the place of what was told for it before."""
        told.check()
        id = self._store.tables.id_of(f"{told.base_currency_code}:{told.valid_date.isoformat()}")
        blank = replace(told, id=id, rates=(), source="")
        [recorded] = self._store.tables.upsert_many([(blank, told)], RateTable.record)
        return recorded

    def list(self, request: PageRequest) -> Page[RateTable]:
        """A page of all tables, the newest first."""
        return self._store.list(request)
