"""Interactions, by customer, conversation, channel and time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.interactions.conversations.store import ConversationsStore
from services.interactions.customers.domain import Channel
from services.interactions.customers.store import CustomersStore
from services.interactions.timeline.domain import Interaction, TimelineQuery

UNATTRIBUTED = field("customer_id") == ""
"""Condition of a partial index. A query that is to use it repeats it."""

INTERACTIONS = (
    # A timeline, by nothing or by one of channel, purpose and direction. Two or three of them together use the most
    # selective of these indexes and look at the rest in what it finds.
    Index(("customer_id", "-occurred_time")),
    Index(("customer_id", "channel", "-occurred_time")),
    Index(("customer_id", "purpose", "-occurred_time")),
    Index(("customer_id", "direction", "-occurred_time")),
    Index(("conversation_id", "-occurred_time")),
    Index(("channel", "-occurred_time")),
    Index(("-occurred_time",)),
    Index(("_blind.identifier",), only=UNATTRIBUTED),
)

FILTER = FilterSpec({"customer_id": str, "channel": Channel, "conversation_id": str, "occurred_time": datetime})


class TimelineStore:
    """Interactions, and what is read of customers and conversations to record them."""

    def __init__(self, database: Database, customers: CustomersStore, conversations: ConversationsStore) -> None:
        self.database, self.customers, self.conversations = database, customers, conversations
        self.interactions = database.collection(
            Interaction,
            "interactions",
            indexes=INTERACTIONS,
            blind={"identifier": lambda each: filter(None, [each.identifier_key])},
        )

    def list(self, filter: str, page: PageRequest) -> Page[Interaction]:
        """Interactions of all customers that meet an AIP-160 filter, the latest first."""
        return self.interactions.page(self.customers.condition(filter, FILTER), page, order="-occurred_time")

    def of_customer(self, query: TimelineQuery, ids: Sequence[str], page: PageRequest) -> Page[Interaction]:
        """Interactions of one customer, under any of its ids, the latest first."""
        where = all_of(
            field("customer_id").one_of(ids),
            field("channel").one_of(query.channels) if query.channels else None,
            field("purpose") == query.purpose if query.purpose is not None else None,
            field("direction") == query.direction if query.direction is not None else None,
            field("occurred_time") >= query.start_time if query.start_time is not None else None,
            field("occurred_time") < query.end_time if query.end_time is not None else None,
        )
        return self.interactions.page(where, page, order="-occurred_time")

    def last_of(self, ids: Sequence[str], limit: int) -> Sequence[Interaction]:
        """The last interactions of a customer."""
        return self.interactions.find(field("customer_id").one_of(ids), order="-occurred_time", limit=limit)

    def known(self, ids: Sequence[str]) -> dict[str, Interaction]:
        """Those of the ids that exist."""
        return {found.id: found for found in self.interactions.find(field("_id").one_of(ids), limit=len(ids))}

    def unattributed_by_identifier(self, keys: Sequence[str], limit: int) -> Sequence[Interaction]:
        """Interactions with an unknown customer who used one of these identifiers."""
        if not keys:
            return []
        tokens = [self.interactions.blind_index("identifier", key) for key in keys]
        theirs = all_of(UNATTRIBUTED, field("_blind.identifier").one_of(tokens))
        return self.interactions.find(theirs, order=None, limit=limit)

    def unattributed_in(self, conversation_id: str, limit: int) -> Sequence[Interaction]:
        """Interactions of a conversation with an unknown customer."""
        in_it = all_of(UNATTRIBUTED, field("conversation_id") == conversation_id)
        return self.interactions.find(in_it, order="-occurred_time", limit=limit)
