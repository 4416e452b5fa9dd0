"""Sums of deals by day, plans beside them, and what was learned from deals that ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from libs.chassis.filtering import Condition, all_of, any_of, field
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Index
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.domain.history import DealState
from services.opportunities.deals.store import DealsStore
from services.opportunities.forecast.domain.periods import Period
from services.opportunities.forecast.domain.plans import ForecastOverride, Quota
from services.opportunities.forecast.domain.totals import (
    DealPosition,
    Dimension,
    ReportTooLarge,
    Total,
    TotalsHead,
)
from services.opportunities.pipelines.store import PipelinesStore
from services.opportunities.rates.store import RatesStore

COUNTS = field("sums.deals") > 0
"""Condition of a partial index. A query that is to use it repeats it."""
TOTALS_MAX = 200_000
"""Sums that one answer reads: those of three years of days, a hundred owners and two endings."""
PLANS_MAX = 5_000
"""Quotas or overrides of one period that one answer reads."""
NAMED = all_of(COUNTS, field("place.key") > "")
"""Condition of a partial index, of the sums of one owner, customer and so on."""
TOTALS = (
    Index(("place.pipeline_id", "place.dimension", "place.state", "place.close_date"), only=COUNTS),
    Index(("place.key", "place.pipeline_id", "place.dimension", "place.state", "place.close_date"), only=NAMED),
)
HEAD = "head"
"""Key of the one head of a tenant."""
PLANS = (Index(("pipeline_id", "start_date", "end_date")),)


class ForecastStore:
    """Sums that follow the deals, and plans beside them."""

    def __init__(
        self,
        database: Database,
        *,
        deals: DealsStore,
        customers: Customers[CustomerProjection],
        pipelines: PipelinesStore,
        rates: RatesStore,
    ) -> None:
        self.database = database
        self.deals = deals
        self.customers = customers
        self.pipelines = pipelines
        self.rates = rates
        self.positions = database.collection(DealPosition, "deal_positions", publishes=False)
        self.totals = database.collection(Total, "totals", indexes=TOTALS, publishes=False)
        self.heads = database.collection(TotalsHead, "totals_heads", publishes=False)
        self.overrides = database.collection(ForecastOverride, "forecast_overrides", indexes=PLANS)
        self.quotas = database.collection(Quota, "quotas", indexes=PLANS)

    def as_of(self) -> datetime | None:
        """The time of the latest change of a deal that the sums know."""
        found = self.heads.find_by_id(self.heads.id_of(HEAD))
        return found.as_of_time if found is not None else None

    def open_and_won(self, pipeline_id: str, period: Period, by: Dimension, key: str = "") -> Sequence[Total]:
        """The sums of all open deals, and of those that were won within a period."""
        won = all_of(field("place.state") == DealState.WON, _within(period))
        return self._find(pipeline_id, by, any_of(field("place.state") == DealState.OPEN, won), key)

    def closed(self, pipeline_id: str, period: Period, by: Dimension, key: str = "") -> Sequence[Total]:
        """The sums of the deals that were won or lost within a period."""
        ended = field("place.state").one_of([DealState.WON, DealState.LOST])
        return self._find(pipeline_id, by, all_of(ended, _within(period)), key)

    def overrides_of(self, pipeline_id: str, period: Period) -> Sequence[ForecastOverride]:
        """The overrides of a period that are in force, by owner."""
        found = self.overrides.find(_of(pipeline_id, period), order=None, limit=PLANS_MAX)
        return sorted((each for each in found if each.amount is not None), key=lambda each: each.owner)

    def quotas_of(self, pipeline_id: str, period: Period) -> Sequence[Quota]:
        """The quotas of a period that are in force, those of everybody first."""
        found = self.quotas.find(_of(pipeline_id, period), order=None, limit=PLANS_MAX)
        kept = (each for each in found if each.amount is not None)
        return sorted(kept, key=lambda each: (each.dimension, each.key))

    def _find(self, pipeline_id: str, by: Dimension, where: Condition, key: str) -> Sequence[Total]:
        there = all_of(field("place.pipeline_id") == pipeline_id, field("place.dimension") == by)
        only = all_of(NAMED, field("place.key") == key) if key else COUNTS
        found = self.totals.find(all_of(only, there, where), order=None, limit=TOTALS_MAX + 1)
        if len(found) > TOTALS_MAX:
            raise ReportTooLarge(allowed=TOTALS_MAX)
        return found


def _within(period: Period) -> Condition:
    return all_of(field("place.close_date") >= period.start_date, field("place.close_date") <= period.end_date)


def _of(pipeline_id: str, period: Period) -> Condition:
    return all_of(
        field("pipeline_id") == pipeline_id,
        field("start_date") == period.start_date,
        field("end_date") == period.end_date,
    )
