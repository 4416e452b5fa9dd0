"""Tables of rates by day."""

from __future__ import annotations

from datetime import date

from libs.chassis.filtering import field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.opportunities.rates.domain import Rates, RateTable

TABLES = (Index(("-valid_date",)),)
TABLES_MAX = 60
"""Tables that a rate is looked for in: those of a quarter of banking days of one bank."""


class RatesStore:
    """Tables of rates."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tables = database.collection(RateTable, "rate_tables", indexes=TABLES)

    def list(self, request: PageRequest) -> Page[RateTable]:
        """A page of all tables, the newest first."""
        return self.tables.page(None, request, order="-valid_date")

    def on(self, day: date) -> Rates:
        """The rates that hold on a day: those of the day and of the days before."""
        return Rates(self.tables.find(field("valid_date") <= day, order="-valid_date", limit=TABLES_MAX))
