"""Conversations, by customer, by who is in charge, and by what leads to them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime

from libs.chassis.filtering import FilterSpec, all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.interactions.conversations.domain import OPEN_STATES, Conversation, ConversationState
from services.interactions.customers.store import CustomersStore

CURRENT = field("_blind.current_for").exists()
"""Condition of a partial index. A query that is to use it repeats it."""

CONVERSATIONS = (
    Index(("_blind.current_for",), unique=True, only=CURRENT),
    Index(("continuity_token",), unique=True),
    Index(("customer_id", "state", "-last_interaction_time")),
    Index(("customer_id", "-last_interaction_time")),
    Index(("state", "-last_interaction_time")),
    Index(("agent_id", "-last_interaction_time")),
    Index(("queue", "-last_interaction_time")),
    Index(("-last_interaction_time",)),
)

FILTER = FilterSpec(
    {
        "customer_id": str,
        "state": ConversationState,
        "agent_id": str,
        "queue": str,
        "last_interaction_time": datetime,
    }
)


class ConversationsStore:
    """Conversations, and the customers they are with."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.conversations = database.collection(
            Conversation,
            "conversations",
            indexes=CONVERSATIONS,
            blind={"current_for": lambda each: filter(None, [each.current_for])},
        )

    def list(self, filter: str, page: PageRequest) -> Page[Conversation]:
        """Conversations that meet an AIP-160 filter, the latest interaction first."""
        where = self.customers.condition(filter, FILTER)
        return self.conversations.page(where, page, order="-last_interaction_time")

    def of_token(self, continuity_token: str) -> Conversation | None:
        """The conversation that a continuity token leads to."""
        return self.conversations.find_one(field("continuity_token") == continuity_token)

    def current(self, party: str) -> Conversation | None:
        """The open conversation that interactions of a party belong to when they name none. Of customers who became one
        while both had one, the latest."""
        if not party:
            return None
        tokens = [self.conversations.blind_index("current_for", each) for each in self.customers.keys_of(party)]
        theirs = all_of(CURRENT, field("_blind.current_for").one_of(tokens))
        current = self.conversations.find(theirs, limit=len(tokens))
        return max(current, key=lambda each: each.last_interaction_time, default=None)

    def open_of(self, ids: Sequence[str], limit: int) -> Sequence[Conversation]:
        """The open conversations of a customer, the latest interaction first."""
        is_open = all_of(field("customer_id").one_of(ids), field("state").one_of(OPEN_STATES))
        return self.conversations.find(is_open, order="-last_interaction_time", limit=limit)

    def unattributed(self, ids: Set[str]) -> Sequence[Conversation]:
        """Those of the conversations whose customer is unknown."""
        found = self.conversations.find(field("_id").one_of(sorted(ids)), limit=len(ids)) if ids else []
        return [each for each in found if not each.customer_id]
