"""Whom contacts were with: found out when customers become known, and when conversations tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

from libs.chassis.domain import Change
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import Conversation
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import CustomerProjection
from services.interactions.timeline.domain import Interaction
from services.interactions.timeline.store import TimelineStore

BATCH: Final = 200
"""Interactions that are attributed in one go."""

News = tuple[str, Callable[[CustomerProjection | None], Change[CustomerProjection]]]
"""(customer id, how its copy changes)."""


class Attribution:
    """Reactions that bring contacts, conversations and customers together.

    They are run one after the other, never side by side: of a customer and a contact that become known at the same
    time, the second to be looked at finds the first.
    """

    def __init__(self, store: TimelineStore) -> None:
        self._store = store
        self._customers = Customers(store.customers)
        self._conversations = Conversations(store.conversations)

    def learn(self, news: Sequence[News]) -> None:
        """Takes news about customers in, and attributes the contacts that waited for them."""
        told = {customer.id: customer for customer in self._store.customers.customers.fold(news)}
        keys = list(dict.fromkeys(key for customer in told.values() for key in customer.identifiers))
        wanted = told.keys() | {id for customer in told.values() for id in customer.merged_ids}
        theirs = {key: id for key, id in self._customers.resolve(keys).items() if id in wanted}
        while theirs and (found := self._store.unattributed_by_identifier(list(theirs), BATCH)):
            self._attribute([(each, theirs[each.identifier_key]) for each in found])

    def settle(self, recorded: Sequence[Interaction]) -> None:
        """Takes recorded contacts into their conversations, and attributes those whose customer is known by now."""
        conversations = self._conversations.hear(recorded)
        unknown = [each for each in recorded if not each.customer_id]
        known = self._customers.resolve(list(dict.fromkeys(each.party for each in unknown if each.party)))
        found = []
        for interaction in unknown:
            conversation = conversations.get(interaction.conversation_id)
            customer_id = known.get(interaction.party) or (conversation.customer_id if conversation is not None else "")
            if customer_id:
                found.append((interaction, customer_id))
        self._attribute(found)

    def join(self, conversations: Sequence[Conversation]) -> None:
        """Attributes the earlier contacts of conversations whose customer became known."""
        for conversation in conversations:
            while found := self._store.unattributed_in(conversation.id, BATCH):
                self._attribute([(each, conversation.customer_id) for each in found])

    def _attribute(self, found: Sequence[tuple[Interaction, str]]) -> None:
        """Attributes each interaction to its customer, all in one go."""

        def to(customer_id: str) -> Callable[[Interaction | None], Change[Interaction]]:
            return lambda each: cast(Interaction, each).attribute(customer_id)  # interactions are never removed

        self._store.interactions.fold([(each.id, to(customer_id)) for each, customer_id in found])
        for conversation_id, customer_id in sorted(
            {(each.conversation_id, id) for each, id in found if each.conversation_id}
        ):
            self._conversations.identify(conversation_id, customer_id)
