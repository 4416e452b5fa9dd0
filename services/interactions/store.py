"""Where contacts, conversations, promises and calendars live, and the indexes that serve every question about them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, date, datetime
from typing import Any, Protocol, cast

from google.protobuf.message import Message

from libs.chassis.domain import E
from libs.chassis.filtering import AllOf, AnyOf, Compare, Condition, FilterSpec, all_of, field, parse
from libs.chassis.paging import Page
from libs.chassis.store import Collection, Database, Index, Personal
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.conversations.domain import OPEN_STATES, Conversation, ConversationState
from services.interactions.counts.domain import LONGEST_RANGE, ChannelDay
from services.interactions.customers.domain import Channel, CustomerCopy, customer_key, customer_of
from services.interactions.privacy.domain import Erasure, Stage
from services.interactions.promises.domain import PENDING_STATES, Promise, PromiseState
from services.interactions.timeline.domain import Interaction, TimelineQuery

UNATTRIBUTED = field("customer_id") == ""
CURRENT = field("_tokens.current_for").exists()
WAKES = field("wake_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Conditions of partial indexes; a query that is to use one of these repeats it."""

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
    Index(("_tokens.identifier",), only=UNATTRIBUTED),
)
CONVERSATIONS = (
    Index(("_tokens.current_for",), unique=True, only=CURRENT),
    Index(("continuity_token",), unique=True),
    Index(("customer_id", "state", "-last_interaction_time")),
    Index(("customer_id", "-last_interaction_time")),
    Index(("state", "-last_interaction_time")),
    Index(("agent_id", "-last_interaction_time")),
    Index(("queue", "-last_interaction_time")),
    Index(("-last_interaction_time",)),
)
PROMISES = (
    Index(("customer_id", "state", "due_time")),
    Index(("customer_id", "due_time")),
    Index(("conversation_id", "due_time")),
    Index(("state", "due_time")),
    Index(("due_time",)),
    Index(("wake_time",), only=WAKES, every_tenant=True),
)
CALENDARS = (
    Index(("display_name",), unique=True, taken="another calendar has this display_name"),
    Index(("display_name",)),
)
CUSTOMERS = (Index(("_tokens.identifiers",)),)
COUNTS = (Index(("day",)),)
UNDONE = field("pending") == True  # noqa: E712  (a condition, not a comparison)
ERASURES = (Index(("create_time",), only=UNDONE, every_tenant=True),)

PERSONAL_OF_A_CONTACT = Personal(
    fields=("identifier", "identifier_key", "summary", "body_ref", "links", "digest"),
    tokens={"identifier": lambda contact: filter(None, [contact.identifier_key])},
)
PERSONAL_OF_A_CONVERSATION = Personal(
    fields=("current_for",),
    tokens={"current_for": lambda conversation: filter(None, [conversation.current_for])},
    event_fields=("note",),
)
PERSONAL_OF_A_PROMISE = Personal(fields=("text", "broken_reason", "recovery", "agreement"))
PERSONAL_OF_A_CUSTOMER = Personal(
    fields=(
        "display_name",
        "language_code",
        "time_zone",
        "preferred_channels",
        "consents",
        "identifiers",
        "handed_over",
    ),
    tokens={"identifiers": lambda customer: customer.identifiers},
)

_ORDERS = {
    Stage.INTERACTIONS: "-occurred_time",
    Stage.CONVERSATIONS: "-last_interaction_time",
    Stage.PROMISES: "due_time",
}
"""The order in which all that is held on a customer is gone through."""

INTERACTION_FILTER = FilterSpec(
    {"customer_id": str, "channel": Channel, "conversation_id": str, "occurred_time": datetime}
)
CONVERSATION_FILTER = FilterSpec(
    {
        "customer_id": str,
        "state": ConversationState,
        "agent_id": str,
        "queue": str,
        "last_interaction_time": datetime,
    }
)
PROMISE_FILTER = FilterSpec({"customer_id": str, "conversation_id": str, "state": PromiseState, "due_time": datetime})


class ListRequest(Protocol):
    """Any request for a list: how much is wanted, and after which page."""

    page_size: int
    page_token: str


class InteractionsStore:
    """The collections of the service and the questions asked of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.interactions = database.collection(
            Interaction, "interactions", indexes=INTERACTIONS, personal=PERSONAL_OF_A_CONTACT
        )
        self.conversations = database.collection(
            Conversation, "conversations", indexes=CONVERSATIONS, personal=PERSONAL_OF_A_CONVERSATION
        )
        self.promises = database.collection(Promise, "promises", indexes=PROMISES, personal=PERSONAL_OF_A_PROMISE)
        self.calendars = database.collection(BusinessCalendar, "calendars", indexes=CALENDARS)
        self.customers = database.collection(
            CustomerCopy, "customers", indexes=CUSTOMERS, publishes=False, personal=PERSONAL_OF_A_CUSTOMER
        )
        self.erasures = database.collection(
            Erasure, "erasures", indexes=ERASURES, personal=Personal(fields=("identifiers",))
        )
        self.counts = database.collection(ChannelDay, "counts", indexes=COUNTS, publishes=False)

    # --------------------------------------------------------------------------------------------- interactions

    def list_interactions(self, filter: str, request: ListRequest) -> Page[Interaction]:
        """Interactions of all customers that meet an AIP-160 filter, the latest first."""
        return _page(self.interactions, self._filtered(filter, INTERACTION_FILTER), "-occurred_time", request)

    def timeline(self, query: TimelineQuery, ids: Sequence[str], request: ListRequest) -> Page[Interaction]:
        """Interactions of one customer, under any of its ids, the latest first."""
        where = all_of(
            field("customer_id").one_of(ids),
            field("channel").one_of(query.channels) if query.channels else None,
            field("purpose") == query.purpose if query.purpose is not None else None,
            field("direction") == query.direction if query.direction is not None else None,
            field("occurred_time") >= query.start_time if query.start_time is not None else None,
            field("occurred_time") < query.end_time if query.end_time is not None else None,
        )
        return _page(self.interactions, where, "-occurred_time", request)

    def last_interactions(self, ids: Sequence[str], limit: int) -> list[Interaction]:
        """The last interactions of a customer."""
        return self.interactions.find(field("customer_id").one_of(ids), order="-occurred_time", limit=limit)

    def known_interactions(self, ids: Sequence[str]) -> dict[str, Interaction]:
        """Those of the ids that exist."""
        return {found.id: found for found in self.interactions.find(field("_id").one_of(ids), limit=len(ids))}

    def unattributed_by_identifier(self, keys: Sequence[str], limit: int) -> list[Interaction]:
        """Interactions with an unknown customer who used one of these identifiers."""
        if not keys:
            return []
        tokens = [self.interactions.token("identifier", key) for key in keys]
        theirs = all_of(UNATTRIBUTED, field("_tokens.identifier").one_of(tokens))
        return self.interactions.find(theirs, order=None, limit=limit)

    def unattributed_conversations(self, ids: Set[str]) -> list[Conversation]:
        """Those of the conversations whose customer is unknown."""
        found = self.conversations.find(field("_id").one_of(sorted(ids)), limit=len(ids)) if ids else []
        return [each for each in found if not each.customer_id]

    def unattributed_in(self, conversation_id: str, limit: int) -> list[Interaction]:
        """Interactions of a conversation with an unknown customer."""
        in_it = all_of(UNATTRIBUTED, field("conversation_id") == conversation_id)
        return self.interactions.find(in_it, order="-occurred_time", limit=limit)

    # -------------------------------------------------------------------------------------------- conversations

    def list_conversations(self, filter: str, request: ListRequest) -> Page[Conversation]:
        """Conversations that meet an AIP-160 filter, the latest interaction first."""
        return _page(self.conversations, self._filtered(filter, CONVERSATION_FILTER), "-last_interaction_time", request)

    def conversation_of_token(self, continuity_token: str) -> Conversation | None:
        """The conversation that a continuity token leads to."""
        return self.conversations.find_one(field("continuity_token") == continuity_token)

    def current_conversation(self, party: str) -> Conversation | None:
        """The open conversation that contacts of a party belong to when they name none; of customers who became one
        while both had one, the latest."""
        if not party:
            return None
        parties = [customer_key(id) for id in self.group(customer_of(party))] if customer_of(party) else [party]
        tokens = [self.conversations.token("current_for", each) for each in parties]
        theirs = all_of(CURRENT, field("_tokens.current_for").one_of(tokens))
        current = self.conversations.find(theirs, limit=len(parties))
        return max(current, key=lambda each: each.last_interaction_time, default=None)

    def open_conversations(self, ids: Sequence[str], limit: int) -> list[Conversation]:
        """The open conversations of a customer, the latest interaction first."""
        is_open = all_of(field("customer_id").one_of(ids), field("state").one_of(OPEN_STATES))
        return self.conversations.find(is_open, order="-last_interaction_time", limit=limit)

    # ------------------------------------------------------------------------------------------------- promises

    def list_promises(self, filter: str, request: ListRequest) -> Page[Promise]:
        """Promises that meet an AIP-160 filter, the first due first."""
        return _page(self.promises, self._filtered(filter, PROMISE_FILTER), "due_time", request)

    def pending_promises(self, ids: Sequence[str], limit: int) -> list[Promise]:
        """The promises to a customer that are still to be kept, the first due first."""
        pending = all_of(field("customer_id").one_of(ids), field("state").one_of(PENDING_STATES))
        return self.promises.find(pending, order="due_time", limit=limit)

    def broken_promises(self, ids: Sequence[str], since: datetime, limit: int) -> list[Promise]:
        """The broken promises to a customer that were due since then, the latest first."""
        broken = all_of(
            field("customer_id").one_of(ids), field("state") == PromiseState.BROKEN, field("due_time") >= since
        )
        return self.promises.find(broken, order="-due_time", limit=limit)

    def promises_to_wake(self, now: datetime, limit: int) -> list[tuple[str, Promise]]:
        """(tenant, promise) of every tenant whose time to be at risk or broken has come, the longest overdue first."""
        due = all_of(WAKES, field("wake_time") <= now)
        return self.promises.across_tenants(due, order="wake_time", limit=limit)

    # ------------------------------------------------------------------------------------------------- erasures

    def pending_erasures(self, limit: int) -> list[tuple[str, Erasure]]:
        """(tenant, erasure) of every tenant that is not done, the oldest first."""
        return self.erasures.across_tenants(UNDONE, order="create_time", limit=limit)

    def holding(self, stage: Stage) -> Collection[Any]:
        """The collection that a stage of an erasure goes through."""
        return self.database.collections[stage]

    def held_on(self, customer_id: str, stage: Stage, size: int, token: str) -> Page[Any]:
        """What a collection holds on a customer."""
        path, order = ("_id", "_id") if stage is Stage.CUSTOMERS else ("customer_id", _ORDERS[stage])
        theirs, bound_to = field(path) == customer_id, f"{stage} of {customer_id}".encode()
        return self.holding(stage).page(theirs, order=order, size=size, token=token, request=bound_to)

    # ------------------------------------------------------------------------------ calendars, customers, counts

    def list_calendars(self, request: ListRequest) -> Page[BusinessCalendar]:
        """All calendars, by name."""
        return _page(self.calendars, None, "display_name", request)

    def customer(self, id: str) -> CustomerCopy | None:
        """The customer that an id leads to: who lives on, when it was merged; None while nothing is known of it."""
        known = self.customers.find_by_id(id)
        if known is None or not known.merged_into:
            return known
        return self.customers.find_by_id(known.merged_into) or known

    def group(self, customer_id: str, known: CustomerCopy | None = None) -> tuple[str, ...]:
        """All ids of whom an id leads to, who lives on first: what was recorded for any of them is theirs. The customer
        may be given when it was read already."""
        known = known or self.customer(customer_id) if customer_id else None
        if known is None:
            return (customer_id,)
        return tuple(dict.fromkeys((known.canonical_id, *known.merged_ids, customer_id)))

    def customers_with(self, keys: Sequence[str], limit: int) -> list[CustomerCopy]:
        """Customers whom one of these identifiers leads to."""
        tokens = [self.customers.token("identifiers", key) for key in keys]
        return self.customers.find(field("_tokens.identifiers").one_of(tokens), limit=limit)

    def channel_days(self, first: date, last: date) -> list[ChannelDay]:
        """The counters of the channels from one date to another; at most of 368 dates."""
        days = all_of(field("day") >= first, field("day") <= last)
        return self.counts.find(days, limit=(LONGEST_RANGE.days + 2) * len(Channel))

    def _filtered(self, filter: str, spec: FilterSpec) -> Condition | None:
        """The condition of an AIP-160 filter; a customer in it is meant with all of its ids."""

        def meant(part: Condition) -> Condition:
            match part:
                case AllOf(parts):
                    return AllOf(tuple(map(meant, parts)))
                case AnyOf(parts):
                    return AnyOf(tuple(map(meant, parts)))
                case Compare("customer_id", "==", str(id)) if id:
                    return field("customer_id").one_of(self.group(id))
                case _:
                    return part

        condition = parse(filter, spec)
        return meant(condition) if condition is not None else None


def _page(collection: Collection[E], where: Condition | None, order: str, request: ListRequest) -> Page[E]:
    message = cast(Message, request)
    return collection.page(where, order=order, size=request.page_size, token=request.page_token, request=message)
