"""Loyalty measures, by currency and month."""

from __future__ import annotations

from typing import Final

from libs.chassis.filtering import Condition, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Collection, Database, Index
from services.profiles.loyalty.domain.measures import LoyaltyMeasures
from services.profiles.segments.store import SegmentsStore
from services.profiles.worth.store import WorthStore

LOYALTY = (Index(("currency_code", "month"), unique=True), Index(("currency_code", "-month")))
SEGMENT_LOYALTY = (
    Index(("segment_id", "currency_code", "month"), unique=True),
    Index(("segment_id", "currency_code", "-month")),
)
_BATCH: Final = 500


class LoyaltyStore:
    """Months of all customers and of segments, and the sums and segments that they are measured with."""

    def __init__(self, database: Database, worth: WorthStore, segments: SegmentsStore) -> None:
        self.database, self.worth, self.segments = database, worth, segments
        self.loyalty = database.collection(LoyaltyMeasures, "loyalty_measures", indexes=LOYALTY, publishes=False)
        self.segment_loyalty = database.collection(
            LoyaltyMeasures, "segment_loyalty_measures", indexes=SEGMENT_LOYALTY, publishes=False
        )

    def list_months(self, segment_id: str, currency_code: str, wanted: PageRequest) -> Page[LoyaltyMeasures]:
        """Measures of the months of a currency, of a segment or of all customers, the latest first."""
        return self.loyalty_of(segment_id).page(_months(segment_id, currency_code), wanted, order="-month")

    def month(self, segment_id: str, currency_code: str, month: str) -> LoyaltyMeasures | None:
        """Measures of one month."""
        where = all_of(_months(segment_id, currency_code), field("month") == month)
        return self.loyalty_of(segment_id).find_one(where)

    def loyalty_of(self, segment_id: str) -> Collection[LoyaltyMeasures]:
        """The collection of the measures of segments, or, without one, of those of all customers."""
        return self.segment_loyalty if segment_id else self.loyalty

    def months(self, segment_id: str, currency_code: str) -> dict[str, LoyaltyMeasures]:
        """Month → what was told of it."""
        found: dict[str, LoyaltyMeasures] = {}
        after = ""
        while batch := self.loyalty_of(segment_id).find(
            all_of(_months(segment_id, currency_code), field("month") > after), order="month", limit=_BATCH
        ):
            found |= {each.month: each for each in batch}
            after = batch[-1].month
        return found


def _months(segment_id: str, currency_code: str) -> Condition:
    segment = field("segment_id") == segment_id if segment_id else None
    return all_of(segment, field("currency_code") == currency_code)
