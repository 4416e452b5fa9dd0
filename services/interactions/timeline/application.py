"""Interactions: recording them as they happen, loading those of the past, and finding them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from libs.chassis import context, identity
from libs.chassis.contention import attempts
from libs.chassis.customers import CustomerErased
from libs.chassis.domain import AlreadyExists, Conflict, DomainError, InvalidArgument, NotFound, TooManyWriters
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Outcome
from services.interactions.conversations.application import Conversations
from services.interactions.conversations.domain import IDLE_WINDOW
from services.interactions.customers.application import Customers
from services.interactions.customers.domain import CustomerProjection
from services.interactions.timeline.domain import Interaction, TimelineQuery
from services.interactions.timeline.store import TimelineStore

REDACTION_ATTEMPTS: Final = 5
"""Attempts of a redaction while others change the interaction."""


class Timeline:
    """Every interaction with every customer."""

    def __init__(self, store: TimelineStore, *, idle_window: timedelta = IDLE_WINDOW) -> None:
        self._store = store
        self._interactions = store.interactions
        self._customers = Customers(store.customers)
        self._conversations = Conversations(store.conversations, idle_window=idle_window)

    # ----------------------------------------------------------------------------------------------- recording

    def ingest(self, contact: Interaction, *, continuity_token: str = "", conversation_id: str = "") -> Interaction:
        """Records an interaction in the conversation that is named, else in the party's current one, else in a new one.

        A repeat returns the first recording.
        """
        now = identity.now()
        told = contact.as_told(now)
        id = self._interactions.id_of(told.source_key) if told.source_key else self._interactions.next_id()
        there = self._interactions.find_by_id(id)
        if there is not None:
            if there.is_erased:
                raise CustomerErased(customer_id=there.customer_id)
            return self._interactions.update(id, lambda each: (each.repeated_by(told), []))
        self._customers.refuse_erased([told.named_customer])
        [interaction] = self._resolved([replace(told, id=id)])

        def record() -> Interaction:
            if continuity_token or conversation_id:
                conversation = self._conversations.named(continuity_token, conversation_id)
            else:
                self._store.database.refuse_reused()
                with context.uncommanded():  # one that was opened and not used is found by whoever comes next
                    conversation = self._conversations.for_contact(interaction, now)
            customer_id = interaction.customer_id or conversation.customer_id
            recorded = replace(interaction, conversation_id=conversation.id, customer_id=customer_id)
            try:
                return self._interactions.insert(recorded.record(), key=told.source_key)
            except AlreadyExists:  # told twice at the same time
                return self._interactions.update(id, lambda each: (each.repeated_by(told), []))

        return self._customers.while_living(
            [interaction.customer_id], record, lambda recorded: self._withdraw([recorded])
        )

    def _withdraw(self, recorded: Sequence[Interaction]) -> None:
        """Erases what was recorded of a customer while it was erased."""
        now, actor = identity.now(), context.current().actor
        self._interactions.erase([each.id for each in recorded])
        self._interactions.update_many(((each.id, now) for each in recorded), lambda each, at: each.erase(actor, at))
        self._conversations.withdraw({each.conversation_id for each in recorded} - {""})

    def load(self, contacts: Sequence[Interaction | DomainError]) -> list[Outcome[Interaction]]:
        """Records interactions of the past, each with a key of its source. One outcome for each, in order.

        They belong to no conversation. An interaction that was refused already keeps its place with its error.
        """
        now, outcomes = identity.now(), dict[int, Outcome[Interaction]]()
        told: dict[int, Interaction] = {}
        for i, contact in enumerate(contacts):
            try:
                told[i] = _told(contact, now)
            except DomainError as error:
                outcomes[i] = Outcome(error=error)
        ids = {i: self._interactions.id_of(each.source_key) for i, each in told.items()}
        there = self._store.known([*ids.values()])
        erased = {
            each.id for each in self._store.customers.erased({each.named_customer for each in told.values()} - {""})
        }
        for i in [i for i, each in told.items() if each.named_customer in erased]:
            outcomes[i] = Outcome(error=CustomerErased(customer_id=told.pop(i).named_customer))
        fresh = [i for i in told if ids[i] not in there]
        changes = [each.record() for each in self._resolved([told[i] for i in fresh])]
        inserted = self._interactions.insert_many(changes, keys=[told[i].source_key for i in fresh]) if fresh else []
        outcomes |= dict(zip(fresh, self._living(inserted), strict=True))
        for i, each in told.items():
            known = there.get(ids[i])
            if known is None and isinstance(outcomes[i].error, AlreadyExists):
                known = self._interactions.get(ids[i])  # told twice at the same time
            if known is not None:
                outcomes[i] = _repeat(known, each)
        return [outcomes[i] for i in range(len(contacts))]

    def _living(self, inserted: Sequence[Outcome[Interaction]]) -> list[Outcome[Interaction]]:
        """The outcomes, apart from those of customers who were erased meanwhile: what was recorded is withdrawn."""
        recorded = [each.entity for each in inserted if each.entity is not None]
        erased = {each.id for each in self._store.customers.erased({each.customer_id for each in recorded} - {""})}
        gone = [each for each in recorded if each.customer_id in erased]
        if not gone:
            return [*inserted]
        self._withdraw(gone)
        return [
            Outcome(error=CustomerErased(customer_id=each.entity.customer_id)) if each.entity in gone else each
            for each in inserted
        ]

    def _resolved(self, contacts: Sequence[Interaction]) -> list[Interaction]:
        """The interactions with the customers that their identifiers lead to."""
        known = self._customers.resolve([each.identifier_key for each in contacts if each.identifier_key])
        return [replace(each, customer_id=known.get(each.identifier_key, "")) for each in contacts]

    # ------------------------------------------------------------------------------------------------- finding

    def get(self, interaction_id: str) -> Interaction:
        """One interaction."""
        return self._interactions.get(interaction_id)

    def batch_get(self, interaction_ids: Sequence[str]) -> list[Interaction]:
        """Several interactions in the order of their ids."""
        return self._interactions.batch_get(interaction_ids)

    def list(self, filter: str, page: PageRequest) -> Page[Interaction]:
        """A page over all customers, the latest first."""
        return self._store.list(filter, page)

    def of_customer(self, query: TimelineQuery, page: PageRequest) -> tuple[str, Page[Interaction]]:
        """The survivor's id, and a page of what was recorded for any of its ids, the latest first. NotFound
        when nothing is known of the customer."""
        known = self._store.customers.find(query.customer_id)
        ids = self._store.customers.group(query.customer_id, known)
        found = self._store.of_customer(query, ids, page)
        if not found.items and known is None:
            raise NotFound(CustomerProjection, query.customer_id)
        return ids[0], found

    # ------------------------------------------------------------------------------------------------ changing

    def complete(self, interaction_id: str, merge: Callable[[Interaction], Interaction], revision: int) -> Interaction:
        """Completes the content; `merge` gives an interaction the content that was sent."""
        now = identity.now()
        return self._interactions.update(
            interaction_id, lambda each: each.complete(merge(each), now), revision=revision
        )

    def redact(self, interaction_id: str, reason: str) -> Interaction:
        """Removes for good what was said, what it was about and where it is recorded.

        The key is destroyed first, so that the journal cannot be read either. Whatever somebody adds meanwhile changes
        the revision, and is destroyed in the next attempt.
        """
        self._store.database.refuse_reused()
        now, actor = identity.now(), context.current().actor
        known = self._interactions.get(interaction_id)
        for _ in attempts(REDACTION_ATTEMPTS):
            current = self._interactions.get(interaction_id)
            if current.redaction is not None:
                return self._interactions.update(interaction_id, lambda each: (each, []))
            self._interactions.erase([interaction_id])
            with suppress(Conflict):
                return self._interactions.update(
                    interaction_id, lambda each: each.redact(reason, actor, now, known), revision=current.revision
                )
        raise TooManyWriters(id=interaction_id)


def _told(contact: Interaction | DomainError, now: datetime) -> Interaction:
    if isinstance(contact, DomainError):
        raise contact
    if not contact.external_key:
        raise InvalidArgument.field("external_key", "is required, so that loading again doubles nothing")
    return contact.as_told(now)


def _repeat(known: Interaction, told: Interaction) -> Outcome[Interaction]:
    try:
        return Outcome(entity=known.repeated_by(told))
    except AlreadyExists as error:
        return Outcome(error=error)
