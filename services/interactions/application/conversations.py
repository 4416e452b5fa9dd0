"""Conversations: which one a contact belongs to, and what people do with them."""

from __future__ import annotations

from datetime import datetime, timedelta

from libs.chassis import identity
from libs.chassis.domain import NotFound
from libs.chassis.paging import Page
from services.interactions.domain.conversations import IDLE_WINDOW, CloseReason, Conversation
from services.interactions.domain.timeline import Interaction, customer_key
from services.interactions.store import InteractionsStore, ListRequest


class Conversations:
    """Contacts that belong together, across channels."""

    def __init__(self, store: InteractionsStore, *, idle_window: timedelta = IDLE_WINDOW) -> None:
        self._store = store
        self._conversations = store.conversations
        self._idle_window = idle_window

    def get(self, conversation_id: str) -> Conversation:
        """One conversation."""
        return self._conversations.get(conversation_id)

    def list(self, filter: str, request: ListRequest) -> Page[Conversation]:
        """A page, the latest interaction first."""
        return self._store.list_conversations(filter, request)

    def resume(self, *, continuity_token: str = "", conversation_id: str = "", customer_id: str = "") -> Conversation:
        """The conversation of a token or id, open and with the customer it turned out to be with, if given."""

        def work() -> Conversation:
            named = self.named(continuity_token, conversation_id)
            current_for = self._current_for(named, customer_key(customer_id) if customer_id else named.party)
            return self._conversations.update(named.id, lambda each: each.resume(customer_id, current_for))

        return self._store.database.transact(work)

    def transfer(
        self, conversation_id: str, *, agent_id: str = "", queue: str = "", note: str = "", revision: int = 0
    ) -> Conversation:
        """Hands it to a member of staff or to a queue."""
        now = identity.now()
        return self._conversations.update(
            conversation_id,
            lambda each: each.transfer(agent_id=agent_id, queue=queue, note=note, now=now),
            revision=revision,
        )

    def close(self, conversation_id: str, reason: CloseReason, *, revision: int = 0) -> Conversation:
        """Ends it."""
        now = identity.now()
        return self._conversations.update(conversation_id, lambda each: each.close(reason, now), revision=revision)

    # ------------------------------------------------------------- parts of recording and attributing a contact

    def named(self, continuity_token: str, conversation_id: str) -> Conversation:
        """The conversation of a token or an id; NotFound when there is none."""
        if conversation_id:
            return self._conversations.get(conversation_id)
        found = self._store.conversation_of_token(continuity_token)
        if found is None:
            raise NotFound("Conversation", continuity_token)
        return found

    def current(self, interaction: Interaction, now: datetime) -> Conversation | None:
        """The open conversation of whom a contact is with; None when it begins a new one. Closes one that went idle."""
        current = self._store.current_conversation(interaction.party)
        if current is None or not current.went_idle_before(min(interaction.occurred_time, now), self._idle_window):
            return current
        self._conversations.update(current.id, lambda each: each.close(CloseReason.IDLE, now))
        return None

    def open(self, id: str, first: Interaction) -> Conversation:
        """A new conversation."""
        token = identity.new_id("ct")
        return self._conversations.insert(
            Conversation.open(first, id=id, continuity_token=token, current_for=first.party)
        )

    def receive(self, conversation: Conversation, interaction: Interaction) -> Conversation:
        """The conversation with one more contact."""
        party = conversation.party or interaction.party
        if interaction.customer_id and not conversation.customer_id:
            party = interaction.party
        current_for = self._current_for(conversation, party)
        return self._conversations.update(conversation.id, lambda each: each.receive(interaction, current_for))

    def identify(self, conversation_id: str, customer_id: str) -> None:
        """The conversation with the customer it turned out to be with; nothing changes when that was known."""
        conversation = self._conversations.get(conversation_id)
        current_for = self._current_for(conversation, customer_key(customer_id))
        self._conversations.update(conversation_id, lambda each: each.identify(customer_id, current_for))

    def _current_for(self, conversation: Conversation, party: str) -> str:
        """The party, unless its contacts go to another open conversation already."""
        if party == conversation.current_for:
            return party
        current = self._store.current_conversation(party)
        return party if current is None or current.id == conversation.id else ""
