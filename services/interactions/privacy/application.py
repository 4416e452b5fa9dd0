"""Erasing what is held on a customer: a batch at a time, each of which may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from libs.chassis import context, identity
from libs.chassis.context import Context
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

        def begun(id: str, *told: Any) -> Callable[[Erasure | None], Change[Erasure]]:
            return lambda known: Erasure.begun(id, *told) if known is None else (known, [])

        self._store.erasures.fold([(request[0], begun(*request)) for request in requests])

    def advance(self) -> int:
        """Erases one batch of each erasure that is not done, of every tenant; how many erasures went on."""
        pending = self._store.pending(BATCH)
        for tenant, erasure in pending:
            with context.enter(Context(tenant=tenant, actor=ACTOR)):
                self._advance(erasure)
        return len(pending)

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
        token = ""
        while True:
            page = self._store.held_on(customer_id, stage, BATCH, token)
            yield from page.items
            token = page.next_page_token
            if not token:
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
                page = self._store.held_on(erasure.customer_id, stage, BATCH, erasure.cursor)
                further = page.next_page_token
                self._erase(erasure, {str(stage): page.items}, cursor=further, ended=not further)

    def _erase(self, erasure: Erasure, batch: Mapping[str, Sequence[Any]], *, cursor: str = "", ended: bool) -> None:
        """Erases a batch, given by collection. Keys first: whatever happens then, nothing can be read any more, and
        what is left is done and counted in one transaction, by this process or the next."""
        held: dict[str, Collection[Any]] = {kind: self._store.database.collections[kind] for kind in batch}
        destroyed = sum(held[kind].erase([each.id for each in gone]) for kind, gone in batch.items())

        def settle() -> None:
            for kind, gone in batch.items():
                held[kind].fold([(each.id, _erased) for each in gone])
            self._store.erasures.update(
                erasure.id,
                lambda each: each.advanced(batch, destroyed, cursor=cursor, ended=ended),
                revision=erasure.revision,
            )

        self._store.database.transact(settle)

    def _alone(self, erasure: Erasure) -> list[str]:
        """What led to the customer and leads to nobody else: a contact from a telephone that is shared may have been
        the other one's."""
        ids = set(self._store.customers.group(erasure.customer_id))
        return [
            key
            for key in erasure.identifiers
            if all(each.id in ids for each in self._store.customers.led_to_by([key], len(ids) + 1))
        ]


def _erased(found: Interaction | Conversation | Promise | CustomerProjection | None) -> Change[Any]:
    now = identity.now()
    match found:
        case Interaction():
            return found.erased(ACTOR, now)
        case Conversation():
            return found.erased(now)
        case Promise():
            return found.erased()
        case _:
            return cast(CustomerProjection, found).without_person()  # nothing that is held is ever removed
