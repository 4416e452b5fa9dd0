"""Promises, by customer, by state and by when they are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.interactions.calendars.store import CalendarsStore
from services.interactions.conversations.store import ConversationsStore
from services.interactions.customers.store import CustomersStore
from services.interactions.promises.domain import PENDING_STATES, Promise, PromiseState

WAKES = field("wake_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""

WAKE_BATCH = 500
"""Promises that the clock moves on in one go."""

PROMISES = (
    Index(("customer_id", "state", "due_time")),
    Index(("customer_id", "due_time")),
    Index(("conversation_id", "due_time")),
    Index(("state", "due_time")),
    Index(("due_time",)),
    Index(("wake_time",), only=WAKES, every_tenant=True),
)


FILTER = FilterSpec({"customer_id": str, "conversation_id": str, "state": PromiseState, "due_time": datetime})


class PromisesStore:
    """Promises, and what is read of customers, conversations and calendars to make them."""

    def __init__(
        self,
        database: Database,
        customers: CustomersStore,
        conversations: ConversationsStore,
        calendars: CalendarsStore,
    ) -> None:
        self.database = database
        self.customers, self.conversations, self.calendars = customers, conversations, calendars
        self.promises = database.collection(Promise, "promises", indexes=PROMISES)

    def list(self, filter: str, page: PageRequest) -> Page[Promise]:
        """Promises that meet an AIP-160 filter, the first due first."""
        return self.promises.page(self.customers.condition(filter, FILTER), page, order="due_time")

    def pending_of(self, ids: Sequence[str], limit: int) -> Sequence[Promise]:
        """The promises to a customer that are still to be kept, the first due first."""
        pending = all_of(field("customer_id").one_of(ids), field("state").one_of(PENDING_STATES))
        return self.promises.find(pending, order="due_time", limit=limit)

    def with_ids(self, ids: Sequence[str]) -> Sequence[Promise]:
        """Those of the promises that exist."""
        return self.promises.find(field("_id").one_of(sorted(ids)), limit=len(ids)) if ids else []

    def broken_of(self, ids: Sequence[str], since: datetime, limit: int) -> Sequence[Promise]:
        """The broken promises to a customer that were due since then, the latest first."""
        broken = all_of(
            field("customer_id").one_of(ids), field("state") == PromiseState.BROKEN, field("due_time") >= since
        )
        return self.promises.find(broken, order="-due_time", limit=limit)

    def to_wake(self) -> Due[Promise]:
        """Promises whose time to be at risk or broken has come, the longest overdue first."""
        return Due(
            self.promises, lambda now: all_of(WAKES, field("wake_time") <= now), order="wake_time", limit=WAKE_BATCH
        )
