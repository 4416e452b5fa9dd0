"""Sums of deals by day, what each deal adds to them, and the pipelines whose zones say which day it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from libs.chassis.filtering import Condition, all_of, any_of, field
from libs.chassis.store import Database, Index
from services.opportunities.deals.domain.history import DealState
from services.opportunities.forecast.domain.totals import DealPosition, Dimension, Total, TotalsHead
from services.opportunities.pipelines.store import PipelinesStore

COUNTS = field("sums.deals") > 0
"""Condition of a partial index. A query that is to use it repeats it."""
TOTALS_MAX = 200_000
"""Sums that one answer reads: those of three years of days, a hundred owners and two endings."""
TOTALS = (Index(("place.pipeline_id", "place.dimension", "place.state", "place.close_date"), only=COUNTS),)


class ForecastStore:
    """Sums that follow the deals."""

    def __init__(self, database: Database, pipelines: PipelinesStore) -> None:
        self.database = database
        self.pipelines = pipelines
        self.positions = database.collection(DealPosition, "deal_positions", publishes=False)
        self.totals = database.collection(Total, "totals", indexes=TOTALS, publishes=False)
        self.heads = database.collection(TotalsHead, "totals_heads", publishes=False)

    def open_and_won(self, pipeline_id: str, start: date, end: date, key: str, by: Dimension) -> Sequence[Total]:
        """The sums of all open deals, and of those that were won within a period."""
        won = all_of(
            field("place.state") == DealState.WON,
            field("place.close_date") >= start,
            field("place.close_date") <= end,
        )
        return self._find(pipeline_id, by, any_of(field("place.state") == DealState.OPEN, won), key)

    def closed(self, pipeline_id: str, start: date, end: date, by: Dimension) -> Sequence[Total]:
        """The sums of the deals that were won or lost within a period."""
        ended = field("place.state").one_of([DealState.WON, DealState.LOST])
        within = all_of(field("place.close_date") >= start, field("place.close_date") <= end)
        return self._find(pipeline_id, by, all_of(ended, within), "")

    def _find(self, pipeline_id: str, by: Dimension, where: Condition, key: str) -> Sequence[Total]:
        there = all_of(COUNTS, field("place.pipeline_id") == pipeline_id, field("place.dimension") == by)
        only = field("place.key") == key if key else None
        return self.totals.find(all_of(there, where, only), order=None, limit=TOTALS_MAX)
