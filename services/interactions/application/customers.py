"""Who is who: customers as far as this service has heard, and what whoever picks up next must know of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, cast

from libs.chassis import identity
from libs.chassis.domain import Change, NotFound
from services.interactions.application.conversations import Conversations
from services.interactions.domain.conversations import Conversation
from services.interactions.domain.customers import CustomerContext, CustomerCopy
from services.interactions.domain.timeline import Identifier, IdentifierKind, Interaction, customer_key
from services.interactions.store import InteractionsStore

BATCH: Final = 200
"""Interactions that are attributed in one go."""
RECENTLY: Final = timedelta(days=30)
"""How long a broken promise that nobody made good is brought up."""

News = tuple[str, Callable[[CustomerCopy | None], Change[CustomerCopy]]]
"""(customer id, how its copy changes)."""


class Customers:
    """Local copies of customers, fed by events."""

    def __init__(self, store: InteractionsStore) -> None:
        self._store = store
        self._conversations = Conversations(store)

    def require(self, customer_id: str) -> CustomerCopy:
        """The customer; NotFound when this service has not heard of it."""
        known = self._store.customers.find_by_id(customer_id)
        if known is None:
            raise NotFound("Customer", customer_id)
        return known

    def resolve(self, identifier: Identifier | None) -> str:
        """The id of the one customer whom an identifier leads to; empty for none or several."""
        if identifier is None:
            return ""
        if identifier.kind is IdentifierKind.CUSTOMER:
            known = self._store.customers.find_by_id(identifier.value)
            return known.id if known is not None else ""
        found = self._store.customers_with([identifier.key], 2)
        return found[0].id if len(found) == 1 else ""

    def context(self, customer_id: str) -> CustomerContext:
        """All that whoever picks up next must know, in five bounded reads."""
        now, store = identity.now(), self._store
        customer = self.require(customer_id)
        conversations = store.open_conversations(customer_id, 5)
        waiting = [each.waiting_since for each in conversations if each.waiting_since is not None]
        return CustomerContext(
            customer=customer,
            conversations=tuple(conversations),
            interactions=tuple(store.last_interactions(customer_id, 10)),
            promises=tuple(store.pending_promises(customer_id, 20)),
            broken_promises=tuple(store.broken_promises(customer_id, now - RECENTLY, 10)),
            waiting_since=min(waiting, default=None),
            as_of=now,
        )

    # ----------------------------------------------------------------------------------------------- reactions

    def learn(self, news: Sequence[News]) -> None:
        """Takes news about customers in, and attributes the contacts that waited for them."""
        for customer in self._store.customers.fold(news):
            sharers = self._store.customers_with(customer.identifiers, BATCH)
            shared = {key for other in sharers if other.id != customer.id for key in other.identifiers}
            keys = [customer_key(customer.id), *(key for key in customer.identifiers if key not in shared)]
            while found := self._store.unattributed_by_identifier(keys, BATCH):
                self._attribute(found, customer.id)

    def look_again(self, interactions: Sequence[Interaction]) -> None:
        """Attributes contacts whose customer became known while they were being recorded."""
        for interaction in interactions:
            if not interaction.customer_id and (customer_id := self.resolve(interaction.identifier)):
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
