"""Whom contacts were with: found out when customers become known, and when conversations tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

from libs.chassis.domain import Change
from services.interactions.application.conversations import Conversations
from services.interactions.application.customers import Customers
from services.interactions.domain.conversations import Conversation
from services.interactions.domain.customers import CustomerCopy
from services.interactions.domain.timeline import Interaction
from services.interactions.store import InteractionsStore

BATCH: Final = 200
"""Interactions that are attributed in one go."""

News = tuple[str, Callable[[CustomerCopy | None], Change[CustomerCopy]]]
"""(customer id, how its copy changes)."""


class Attribution:
    """Reactions that bring contacts, conversations and customers together.

    They are run one after the other, never side by side: of a customer and a contact that become known at the same
    time, the second to be looked at finds the first.
    """

    def __init__(self, store: InteractionsStore) -> None:
        self._store = store
        self._customers = Customers(store)
        self._conversations = Conversations(store)

    def learn(self, news: Sequence[News]) -> None:
        """Takes news about customers in, and attributes the contacts that waited for them."""
        for customer in self._store.customers.fold(news):
            theirs = [key for key, id in self._customers.resolve(customer.identifiers).items() if id == customer.id]
            while found := self._store.unattributed_by_identifier(theirs, BATCH):
                self._attribute(found, customer.id)

    def settle(self, recorded: Sequence[Interaction]) -> None:
        """Takes recorded contacts into their conversations, and attributes those whose customer is known by now."""
        conversations = self._conversations.hear(recorded)
        unknown = [each for each in recorded if not each.customer_id]
        known = self._customers.resolve([each.party for each in unknown if each.party])
        for interaction in unknown:
            conversation = conversations.get(interaction.conversation_id)
            customer_id = known.get(interaction.party) or (conversation.customer_id if conversation is not None else "")
            if customer_id:
                self._attribute([interaction], customer_id)

    def join(self, conversations: Sequence[Conversation]) -> None:
        """Attributes the earlier contacts of conversations whose customer became known."""
        for conversation in conversations:
            while found := self._store.unattributed_in(conversation.id, BATCH):
                self._attribute(found, conversation.customer_id)

    def _attribute(self, interactions: Sequence[Interaction], customer_id: str) -> None:
        def attribute(found: Interaction | None) -> Change[Interaction]:
            return cast(Interaction, found).attribute(customer_id)  # interactions are never removed

        self._store.interactions.fold([(interaction.id, attribute) for interaction in interactions])
        for conversation_id in sorted({interaction.conversation_id for interaction in interactions} - {""}):
            self._conversations.identify(conversation_id, customer_id)
