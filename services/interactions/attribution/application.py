"""Attribution of interactions, when customers become known and when conversations tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from libs.chassis import identity
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import Conversation
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import CustomerProjection
from services.interactions.timeline.domain import Interaction
from services.interactions.timeline.store import TimelineStore

BATCH: Final = 200
"""Interactions that one transaction attributes, at most."""


class Attribution:
    """Reactions that bring interactions, conversations and customers together.

    They are run one after the other, never side by side: of a customer and an interaction that become known at the same
    time, the second to be looked at finds the first.
    """

    def __init__(self, store: TimelineStore) -> None:
        self._store = store
        self._customers = Customers(store.customers)
        self._conversations = Conversations(store.conversations)

    def learn(self, heard: Sequence[CustomerProjection]) -> None:
        """Attributes the interactions that waited for customers who were heard of, at most a batch of them.

        Customers whose interactions may be more get a backlog, which goes on in transactions of its own: history that
        was loaded before its customers is attributed without holding anybody up.
        """
        changed = {customer.id: customer for customer in heard}
        keys = [key for customer in changed.values() for key in customer.identifiers]
        if self._attribute_by(keys, changed.values()) == BATCH:
            self._owe({customer.id: () for customer in changed.values() if customer.identifiers})

    def settle(self, recorded: Sequence[Interaction]) -> None:
        """Takes recorded interactions into their conversations, and attributes those whose customer is known by now."""
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
        """Attributes the earlier interactions of conversations whose customer became known, at most a batch of them.

        The customers of the other conversations get a backlog.
        """
        left, owed = BATCH, dict[str, list[str]]()
        for conversation in conversations:
            left -= self._attribute_in(conversation.id, conversation.customer_id, left) if left else 0
            if not left:
                owed.setdefault(conversation.customer_id, []).append(conversation.id)
        self._owe(owed)

    def catch_up(self, customers: Sequence[CustomerProjection]) -> None:
        """Attributes one more batch of the backlog of each customer, in a transaction that also changes the customer:
        an erasure that begins meanwhile stops it, or comes after it."""
        for customer in customers:
            self._store.database.transact(partial(self._catch_up, customer.id))

    def _catch_up(self, customer_id: str) -> None:
        customer = self._store.customers.customers.get(customer_id)
        if customer.backlog_time is None:
            return
        now, conversations = identity.now(), customer.backlog_conversations
        more = self._attribute_by(customer.identifiers, [customer]) == BATCH
        if not more and conversations and self._attribute_in(conversations[0], customer_id, BATCH) < BATCH:
            conversations = conversations[1:]
        goes_on = now if more or conversations else None
        self._store.customers.customers.update(customer_id, lambda each: each.go_on(goes_on, conversations))

    def _owe(self, backlogs: Mapping[str, Sequence[str]]) -> None:
        """Gives customers a backlog: what their identifiers lead to, and the conversations that are named."""
        now = identity.now()
        self._store.customers.customers.update_many(
            backlogs.items(), lambda customer, conversations: customer.owe(now, conversations)
        )

    def _attribute_by(self, keys: Sequence[str], customers: Collection[CustomerProjection]) -> int:
        """Attributes a batch of interactions with one of these identifiers, where it leads to one of the customers.

        Returns how many there were.
        """
        wanted = {each.id for each in customers} | {id for each in customers for id in each.merged_ids}
        theirs = {key: id for key, id in self._customers.resolve(list(dict.fromkeys(keys))).items() if id in wanted}
        found = self._store.unattributed_by_identifier(list(theirs), BATCH)
        self._attribute([(each, theirs[each.identifier_key]) for each in found])
        return len(found)

    def _attribute_in(self, conversation_id: str, customer_id: str, limit: int) -> int:
        """Attributes a number of interactions of a conversation to its customer, and returns how many there were."""
        found = self._store.unattributed_in(conversation_id, limit)
        self._attribute([(each, customer_id) for each in found])
        return len(found)

    def _attribute(self, found: Sequence[tuple[Interaction, str]]) -> None:
        """Attributes each interaction to its customer, all in one go."""
        self._store.interactions.update_many(((each.id, id) for each, id in found), Interaction.attribute)
        for conversation_id, customer_id in sorted(
            {(each.conversation_id, id) for each, id in found if each.conversation_id}
        ):
            self._conversations.identify(conversation_id, customer_id)
