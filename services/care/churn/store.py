"""Churn records by customer, reason and time, attempts to win back, and the reviews of months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from libs.chassis.erasure import Holding
from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.operations import Operations
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Count, Database, Due, Index
from services.care.alerts.store import AlertsStore
from services.care.churn.domain.records import ChurnReasons, ChurnRecord
from services.care.churn.domain.reviews import LoyaltyReview
from services.care.churn.domain.winback import RetentionPolicy, WinBackAttempt, WinBackState
from services.care.customers.store import CustomersStore
from services.care.touches.store import TouchesStore

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
OPEN = field("open") == True  # noqa: E712  (a condition, not a comparison)
LAPSES, REVIEWS = field("lapse_time") > _EVER, field("review_time") > _EVER
"""Conditions of partial indexes. A query that is to use one repeats it."""
LAPSE_BATCH, REVIEW_BATCH, RECORDS_MAX, ATTEMPTS_MAX = 200, 20, 5000, 500
_PARTS: Final = ((), ("customer_id",), ("reason_path",), ("open",), ("customer_id", "open"), ("open", "reason_path"))
RECORDS = (
    Index(("customer_id", "-create_time")),
    Index(("customer_id",), unique=True, only=OPEN, taken="the customer left already"),
    *(Index((*keys, "-lost_time")) for keys in (*_PARTS, ("customer_id", "reason_path"))),
)
ENDS = Index(("reason_root", "state"))
ATTEMPTS = (
    Index(("customer_id", "-create_time")),
    Index(("churn_record_id", "-create_time")),
    Index(("lapse_time",), only=LAPSES, every_tenant=True),
    ENDS,
    Index(("-create_time",)),
    Index(("state", "-create_time")),
    Index(("customer_id", "state", "-create_time")),
)
RECORD_FILTER = FilterSpec({"customer_id": str, "reason_path": str, "open": bool, "lost_time": datetime})
ATTEMPT_FILTER = FilterSpec({"customer_id": str, "state": WinBackState})


class ChurnStore:
    """Departures of customers, with the alerts and customers that tell more of them."""

    def __init__(
        self, database: Database, customers: CustomersStore, alerts: AlertsStore, touches: TouchesStore
    ) -> None:
        self.database, self.customers, self.alerts, self.touches = database, customers, alerts, touches
        self.reasons = database.collection(ChurnReasons, "churn_reasons")
        self.records = database.collection(ChurnRecord, "churn_records", indexes=RECORDS)
        self.policies = database.collection(
            RetentionPolicy,
            "retention_policies",
            indexes=(Index(("review_time",), only=REVIEWS, every_tenant=True),),
        )
        self.attempts = database.collection(WinBackAttempt, "win_back_attempts", indexes=ATTEMPTS)
        self.reviews = database.collection(LoyaltyReview, "loyalty_reviews", indexes=(Index(("-month",)),))
        self.operations = Operations(database)

    def holdings(self) -> Sequence[Holding[Any]]:
        """Records on customers in these collections."""
        left = Holding(
            collection=self.records, erased=ChurnRecord.erase, kept="reasons and times", record="churn_record"
        )
        tried = Holding(
            collection=self.attempts,
            erased=WinBackAttempt.erase,
            kept="states, sums and times without words",
            record="win_back_attempt",
        )
        return [left, tried]

    # ---------------------------------------------------------------------------------------- what a tenant has once

    def known_reasons(self) -> ChurnReasons:
        """The reasons to leave, those of the house while none are defined."""
        id = self.reasons.id_of("reasons")
        return self.reasons.find_by_id(id) or ChurnReasons(id=id)

    def policy(self) -> RetentionPolicy | None:
        """The policy. None while nobody defined it."""
        return self.policies.find_by_id(self.policies.id_of("policy"))

    # ------------------------------------------------------------------------------------------------- who left

    def list_records(self, filter: str, request: PageRequest) -> Page[ChurnRecord]:
        """Records that meet an AIP-160 filter, the latest departure first."""
        return self.records.page(self.customers.condition(filter, RECORD_FILTER), request, order="-lost_time")

    def records_of(self, customer_ids: Sequence[str]) -> Sequence[ChurnRecord]:
        """Every record of customers."""
        if not customer_ids:
            return []
        return self.records.find(field("customer_id").one_of(customer_ids), order=None, limit=RECORDS_MAX)

    # ---------------------------------------------------------------------------------------------- winning back

    def list_attempts(self, filter: str, request: PageRequest) -> Page[WinBackAttempt]:
        """Attempts that meet an AIP-160 filter, the latest first."""
        return self.attempts.page(self.customers.condition(filter, ATTEMPT_FILTER), request, order="-create_time")

    def attempts_for(self, record_id: str) -> Sequence[WinBackAttempt]:
        """The attempts that were made since a departure."""
        return self.attempts.find(field("churn_record_id") == record_id, order="-create_time", limit=ATTEMPTS_MAX)

    def open_attempts(self, customer_ids: Sequence[str]) -> Sequence[WinBackAttempt]:
        """The attempts at customers that are open."""
        offered = field("state") == WinBackState.OFFERED
        where = all_of(field("customer_id").one_of(customer_ids), offered)
        return self.attempts.find(where, order="-create_time", limit=ATTEMPTS_MAX) if customer_ids else []

    def ends(self, reason_root: str) -> tuple[int, int]:
        """(attempts for a kind of reason that were won, attempts that ended)."""
        rows = self.attempts.totals(field("reason_root") == reason_root, ["state"], [Count()], index=ENDS)
        counts = {str(state): int(count) for state, count in rows}
        won = counts.get(WinBackState.WON, 0)
        return won, sum(counts.values()) - counts.get(WinBackState.OFFERED, 0)

    def to_lapse(self) -> Due[WinBackAttempt]:
        """Attempts whose time is over."""
        return Due(
            self.attempts, lambda now: all_of(LAPSES, field("lapse_time") <= now), order="lapse_time", limit=LAPSE_BATCH
        )

    # --------------------------------------------------------------------------------------------------- reviews

    def list_reviews(self, request: PageRequest) -> Page[LoyaltyReview]:
        """A page of reviews, the latest month first."""
        return self.reviews.page(None, request, order="-month")

    def to_review(self) -> Due[RetentionPolicy]:
        """Policies whose month before is to be reviewed."""
        return Due(
            self.policies,
            lambda now: all_of(REVIEWS, field("review_time") <= now),
            order="review_time",
            limit=REVIEW_BATCH,
        )
