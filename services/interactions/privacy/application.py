"""Erasing what is held on a customer: a batch at a time, each of which may be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from libs.chassis import identity
from libs.chassis.domain import Change, NotFound
from libs.chassis.store import Collection
from services.interactions.conversations.domain import Conversation
from services.interactions.customers.domain import CustomerProjection
from services.interactions.privacy.domain import Erasure, Stage
from services.interactions.privacy.store import PrivacyStore
from services.interactions.promises.domain import Promise
from services.interactions.timeline.domain import Interaction

BATCH: Final = 200
"""Records that are erased in one go."""
ACTOR: Final = "service:interactions"


class Erasures:
    """The erasures that the profiles service asked for, and all that is held on a customer."""

    def __init__(self, store: PrivacyStore) -> None:
        self._store = store

    def begin(self, requests: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        """Takes (erasure id, customer id, keys of what led to the customer) in, once each."""

        asked = (Erasure(id=id, customer_id=whose, identifiers=tuple(keys)) for id, whose, keys in requests)
        self._store.erasures.upsert_many(((each, None) for each in asked), lambda each, _: each.begin())
        # From now on nothing is recorded of them: see `Customers.while_living`.
        now = identity.now()
        self._store.customers.customers.upsert_many(
            ((CustomerProjection.unheard(whose, now), None) for _, whose, _ in requests),
            lambda each, _: each.doom(),
        )

    def advance(self, pending: Sequence[Erasure]) -> None:
        """Erases one batch of each erasure."""
        for erasure in pending:
            self._advance(erasure)

    def everything(self, customer_id: str) -> Iterator[tuple[str, Any]]:
        """(kind, record) of all that is held on a customer, under any of its ids; NotFound for one never heard of."""
        known = self._store.customers.customer(customer_id)
        if known is None:
            raise NotFound("Customer", customer_id)
        for kind, stage in (
            ("customer", Stage.CUSTOMERS),
            ("interaction", Stage.INTERACTIONS),
            ("conversation", Stage.CONVERSATIONS),
            ("promise", Stage.PROMISES),
        ):
            for id in self._store.customers.group(customer_id, known):
                yield from ((kind, each) for each in self._held_on(id, stage))

    def _held_on(self, customer_id: str, stage: Stage) -> Iterator[Any]:
        place = ""
        while True:
            found, place = self._store.held_on(customer_id, stage, BATCH, place)
            yield from found
            if not place:
                return

    def _advance(self, erasure: Erasure) -> None:
        match erasure.stage:
            case Stage.DONE:
                now = identity.now()
                self._store.erasures.erase([erasure.id])
                self._store.erasures.update(erasure.id, lambda each: each.completed(now))
            case Stage.UNATTRIBUTED:
                contacts = self._store.timeline.unattributed_by_identifier(self._alone(erasure), BATCH)
                talks = self._store.conversations.unattributed({each.conversation_id for each in contacts} - {""})
                self._erase(erasure, {"interactions": contacts, "conversations": talks}, ended=len(contacts) < BATCH)
            case stage:
                found, place = self._store.held_on(erasure.customer_id, stage, BATCH, erasure.cursor)
                self._erase(erasure, {str(stage): found}, cursor=place, ended=not place)

    def _erase(self, erasure: Erasure, batch: Mapping[str, Sequence[Any]], *, cursor: str = "", ended: bool) -> None:
        """Erases a batch, given by collection. Keys first: whatever happens then, nothing can be read any more, and
        what is left is done and counted in one transaction, once: by this process, or by another that was faster."""
        held: dict[str, Collection[Any]] = {kind: self._store.database.collections[kind] for kind in batch}
        destroyed = sum(held[kind].erase([each.id for each in gone]) for kind, gone in batch.items())

        now = identity.now()

        def settle() -> None:
            if self._store.erasures.get(erasure.id).revision != erasure.revision:
                return
            for kind, gone in batch.items():
                held[kind].update_many(((each.id, now) for each in gone), _erased)
            self._store.erasures.update(
                erasure.id, lambda each: each.advanced(batch, destroyed, cursor=cursor, ended=ended)
            )

        self._store.database.transact(settle)

    def _alone(self, erasure: Erasure) -> list[str]:
        """Keys that led to the customer and lead to nobody else: a call from a telephone that is shared may have been
        the other one's."""
        ids = set(self._store.customers.group(erasure.customer_id))
        return [
            key
            for key in erasure.identifiers
            if all(each.id in ids for each in self._store.customers.led_to_by([key], len(ids) + 1))
        ]


def _erased(found: Interaction | Conversation | Promise | CustomerProjection, now: datetime) -> Change[Any]:
    match found:
        case Interaction():
            return found.erased(ACTOR, now)
        case Conversation():
            return found.erased(now)
        case Promise():
            return found.erased()
        case CustomerProjection():
            return found.without_person()
