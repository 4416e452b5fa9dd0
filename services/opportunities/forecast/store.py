"""Sums of deals by day, plans beside them, and what was learned from deals that ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from libs.chassis.filtering import Condition, all_of, any_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.domain.history import DealState
from services.opportunities.deals.store import DealsStore
from services.opportunities.forecast.domain.health import PipelineHealth
from services.opportunities.forecast.domain.learning import PipelineModel
from services.opportunities.forecast.domain.periods import Period
from services.opportunities.forecast.domain.plans import ForecastOverride, Quota
from services.opportunities.forecast.domain.snapshots import ForecastSnapshot, SnapshotPlan
from services.opportunities.forecast.domain.totals import (
    DealPosition,
    Dimension,
    ReportTooLarge,
    Total,
    TotalsHead,
)
from services.opportunities.pipelines.domain import Pipeline
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
PLAN = "plan"
"""Key of the one plan of nights of a tenant."""
PIPELINES_MAX = 1_000
"""Pipelines of a tenant that a night goes through."""
SNAPSHOTS_MAX = 3_000
"""Snapshots that one report of accuracy reads: four of each night, for two years."""
NIGHTS_BATCH = 50
"""Tenants whose night is begun in one go."""
PLANNED = field("next_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
SNAPSHOTS = (Index(("pipeline_id", "-snapshot_date")), Index(("pipeline_id", "end_date")))
NIGHTS = (Index(("next_time",), only=PLANNED, every_tenant=True),)
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
        self.models = database.collection(PipelineModel, "pipeline_models", publishes=False)
        self.snapshots = database.collection(ForecastSnapshot, "forecast_snapshots", indexes=SNAPSHOTS)
        self.plans = database.collection(SnapshotPlan, "snapshot_plans", indexes=NIGHTS, publishes=False)
        self.healths = database.collection(PipelineHealth, "pipeline_healths", publishes=False)

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

    def model_of(self, pipeline_id: str) -> PipelineModel | None:
        """The lessons of a pipeline. None before the first fit."""
        return self.models.find_by_id(self.models.id_of(pipeline_id))

    def all_pipelines(self) -> Sequence[Pipeline]:
        """All pipelines of a tenant, by name."""
        return self.pipelines.pipelines.find(None, order="display_name", limit=PIPELINES_MAX)

    # --------------------------------------------------------------------------------------------------- snapshots

    def snapshot(self, pipeline_id: str, day: date, period: str) -> ForecastSnapshot | None:
        """The forecast of a period as it was on one night."""
        return self.snapshots.find_by_id(self.snapshots.id_of(f"{pipeline_id}:{day.isoformat()}:{period}"))

    def keep_snapshot(self, taken: ForecastSnapshot) -> ForecastSnapshot:
        """Keeps the forecast of a night. SourceKeyReused when another one is kept for it."""
        key = f"{taken.pipeline_id}:{taken.snapshot_date.isoformat()}:{taken.period}"
        return self.snapshots.insert(taken.take(), key=key)

    def list_snapshots(self, pipeline_id: str, request: PageRequest) -> Page[ForecastSnapshot]:
        """The snapshots of a pipeline, the latest night first."""
        return self.snapshots.page(field("pipeline_id") == pipeline_id, request, order="-snapshot_date")

    def snapshots_of(self, pipeline_id: str, within: Period) -> Sequence[ForecastSnapshot]:
        """The snapshots of all periods that end within another one."""
        ends = all_of(field("end_date") >= within.start_date, field("end_date") <= within.end_date)
        where = all_of(field("pipeline_id") == pipeline_id, ends)
        found = self.snapshots.find(where, order=None, limit=SNAPSHOTS_MAX + 1)
        if len(found) > SNAPSHOTS_MAX:
            raise ReportTooLarge(allowed=SNAPSHOTS_MAX)
        return found

    def nights(self) -> Due[SnapshotPlan]:
        """Tenants whose night has come, the longest ago first."""
        return Due(
            self.plans, lambda now: all_of(PLANNED, field("next_time") <= now), order="next_time", limit=NIGHTS_BATCH
        )

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
