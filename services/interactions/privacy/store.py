"""Erasures that go on, and everything that is held on a customer."""

from __future__ import annotations

from typing import Any

from libs.chassis.filtering import field
from libs.chassis.store import Collection, Database, Due, Index
from services.interactions.conversations.store import ConversationsStore
from services.interactions.customers.store import CustomersStore
from services.interactions.privacy.domain import Erasure, Stage
from services.interactions.promises.store import PromisesStore
from services.interactions.timeline.store import TimelineStore

UNDONE = field("pending") == True  # noqa: E712  (a condition, not a comparison)
"""Condition of a partial index; a query that is to use it repeats it."""

ERASURE_BATCH = 200
"""Erasures that go on in one go."""
ERASURES = (Index(("create_time",), only=UNDONE, every_tenant=True),)

_ORDERS = {
    Stage.INTERACTIONS: "-occurred_time",
    Stage.CONVERSATIONS: "-last_interaction_time",
    Stage.PROMISES: "due_time",
}
"""The order in which all that is held on a customer is gone through."""


class PrivacyStore:
    """Erasures, and what each of their stages goes through."""

    def __init__(
        self,
        database: Database,
        customers: CustomersStore,
        timeline: TimelineStore,
        conversations: ConversationsStore,
        promises: PromisesStore,
    ) -> None:
        self.database = database
        self.customers, self.timeline, self.conversations, self.promises = customers, timeline, conversations, promises
        self.erasures = database.collection(Erasure, "erasures", indexes=ERASURES)

    def pending(self) -> Due[Erasure]:
        """Erasures that are not done, the oldest first."""
        return Due(self.erasures, lambda _: UNDONE, order="create_time", limit=ERASURE_BATCH)

    def holding(self, stage: Stage) -> Collection[Any]:
        """The collection that a stage of an erasure goes through."""
        return self.database.collections[stage]

    def held_on(self, customer_id: str, stage: Stage, limit: int, after: str = "") -> tuple[list[Any], str]:
        """(what a collection holds on a customer behind a place, the place to go on from or nothing at the end)."""
        path, order = ("_id", "_id") if stage is Stage.CUSTOMERS else ("customer_id", _ORDERS[stage])
        return self.holding(stage).stretch(field(path) == customer_id, order=order, after=after, limit=limit)
