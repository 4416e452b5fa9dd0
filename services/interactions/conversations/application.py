"""Conversations: which one an interaction belongs to, and what people do with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from libs.chassis import identity
from libs.chassis.contention import attempts
from libs.chassis.domain import AlreadyExists, NotFound, TooManyWriters
from libs.chassis.paging import Page, PageRequest
from services.interactions.conversations.domain import IDLE_WINDOW, CloseReason, Conversation, Utterance
from services.interactions.conversations.store import ConversationsStore
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import customer_key

ATTEMPTS: Final = 5
"""Attempts of an interaction to find its conversation while others open and close them."""


class Conversations:
    """Interactions that belong together, across channels."""

    def __init__(self, store: ConversationsStore, *, idle_window: timedelta = IDLE_WINDOW) -> None:
        self._store = store
        self._conversations = store.conversations
        self._customers = Customers(store.customers)
        self._idle_window = idle_window

    def get(self, conversation_id: str) -> Conversation:
        """One conversation."""
        return self._conversations.get(conversation_id)

    def list(self, filter: str, page: PageRequest) -> Page[Conversation]:
        """A page, the latest interaction first."""
        return self._store.list(filter, page)

    def resume(self, *, continuity_token: str = "", conversation_id: str = "", customer_id: str = "") -> Conversation:
        """The conversation of a continuity token or id, open, and with the customer found meanwhile, if given."""
        if customer_id:
            self._customers.require(customer_id)

        def work() -> Conversation:
            named = self.named(continuity_token, conversation_id)
            known = named.customer_id if customer_id in self._store.customers.group(named.customer_id) else customer_id
            current_for = self._current_for(named, customer_key(known) if known else named.party)
            return self._conversations.update(named.id, lambda each: each.resume(known, current_for))

        return self._customers.while_living(
            [customer_id],
            lambda: self._store.database.transact(work),
            lambda resumed: self.withdraw([resumed.id]),
        )

    def transfer(
        self, conversation_id: str, *, agent_id: str = "", queue: str = "", note: str = "", revision: int = 0
    ) -> Conversation:
        """Hands it to a member of staff or to a queue."""
        now = identity.now()
        return self._customers.while_living(
            {self._conversations.get(conversation_id).customer_id},
            lambda: self._conversations.update(
                conversation_id,
                lambda each: each.transfer(agent_id=agent_id, queue=queue, note=note, now=now),
                revision=revision,
            ),
            lambda transferred: self.withdraw([transferred.id]),
        )

    def close(self, conversation_id: str, reason: CloseReason, *, revision: int = 0) -> Conversation:
        """Ends it."""
        now = identity.now()
        return self._conversations.update(conversation_id, lambda each: each.close(reason, now), revision=revision)

    # ------------------------------------------------------------------- where a contact belongs, and what it does

    def named(self, continuity_token: str, conversation_id: str) -> Conversation:
        """The conversation of a continuity token or an id. NotFound when there is none."""
        found = (
            self._store.of_token(continuity_token) if not conversation_id else self._conversations.get(conversation_id)
        )
        if found is None:
            raise NotFound(Conversation, continuity_token)
        self._customers.refuse_erased([found.customer_id])
        return found

    def for_contact(self, interaction: Utterance, now: datetime) -> Conversation:
        """The open conversation of whom an interaction is with, or a new one when there is none or it went idle."""
        at = interaction.occurred_time
        for _ in attempts(ATTEMPTS):
            current = self._store.current(interaction.party)
            if current is not None and current.went_idle_before(at, self._idle_window):
                self._conversations.update(current.id, lambda each: each.close_when_idle(at, self._idle_window, now))
            elif current is not None:
                return current
            opening = Conversation.open(interaction, continuity_token=identity.new_id("ct"), at=at)
            try:
                return self._conversations.insert(opening, key=interaction.id)
            except AlreadyExists:  # the same contact told twice at once has opened it, or another one of theirs
                opened = self._conversations.find_by_id(self._conversations.id_of(interaction.id))
                if opened is not None:
                    return opened
        raise TooManyWriters(id=interaction.party)

    def withdraw(self, ids: Collection[str]) -> None:
        """Erases what was said in conversations with a customer while it was erased."""
        now = identity.now()
        self._conversations.erase([*ids])
        self._conversations.update_many(((id, now) for id in ids), lambda each, at: each.erase(at))

    def hear(self, recorded: Sequence[Utterance]) -> dict[str, Conversation]:
        """Takes recorded interactions into their conversations. Returns those conversations by id."""
        by_id: dict[str, list[Utterance]] = {}
        for interaction in recorded:
            if interaction.conversation_id:
                by_id.setdefault(interaction.conversation_id, []).append(interaction)
        heard, claimed = list[tuple[str, tuple[Utterance, str]]](), set[str]()
        for conversation in self._conversations.batch_get(list(by_id)):
            said = by_id[conversation.id]
            current_for = self._current_for(conversation, conversation.party_after(said))
            current_for = "" if current_for in claimed else current_for
            claimed.add(current_for)
            heard += [(conversation.id, (interaction, current_for)) for interaction in said]
        changed = self._conversations.update_many(heard, lambda each, said: each.receive(*said))
        return {conversation.id: conversation for conversation in changed}

    def identify(self, conversation_id: str, customer_id: str) -> None:
        """The conversation with the customer it turned out to be with. Nothing changes when that was known."""
        conversation = self._conversations.get(conversation_id)
        current_for = self._current_for(conversation, customer_key(customer_id))
        self._conversations.update(conversation_id, lambda each: each.identify(customer_id, current_for))

    def _current_for(self, conversation: Conversation, party: str) -> str:
        """The party, unless its interactions go to another open conversation already."""
        if party == conversation.current_for:
            return party
        current = self._store.current(party)
        return party if current is None or current.id == conversation.id else ""
