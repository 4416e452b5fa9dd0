"""Erasing what is held on a customer: a batch at a time, each of which may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import Change
from libs.chassis.store import Collection
from services.interactions.domain.conversations import Conversation
from services.interactions.domain.customers import CustomerCopy
from services.interactions.domain.erasure import Erasure, Stage
from services.interactions.domain.promises import Promise
from services.interactions.domain.timeline import Interaction
from services.interactions.store import InteractionsStore

BATCH: Final = 200
"""Records that are erased in one go."""
ACTOR: Final = "service:interactions"


class Erasures:
    """The erasures that the profiles service asked for, and all that is held on a customer."""

    def __init__(self, store: InteractionsStore) -> None:
        self._store = store

    def begin(self, requests: Sequence[tuple[str, str]]) -> None:
        """Takes (erasure id, customer id) in, once each."""

        def begun(id: str, customer_id: str) -> Callable[[Erasure | None], Change[Erasure]]:
            return lambda known: Erasure.begun(id, customer_id) if known is None else (known, [])

        self._store.erasures.fold([(id, begun(id, customer_id)) for id, customer_id in requests])

    def advance(self) -> int:
        """Erases one batch of each erasure that is not done, of every tenant; how many erasures went on."""
        pending = self._store.pending_erasures(BATCH)
        for tenant, erasure in pending:
            with context.enter(Context(tenant=tenant, actor=ACTOR)):
                self._advance(erasure)
        return len(pending)

    def everything(self, customer_id: str) -> Iterator[tuple[str, Any]]:
        """(kind, record) of all that is held on a customer; NotFound when nothing was ever heard of it."""
        yield "customer", self._store.customers.get(customer_id)
        for kind, stage in (
            ("interaction", Stage.INTERACTIONS),
            ("conversation", Stage.CONVERSATIONS),
            ("promise", Stage.PROMISES),
        ):
            token = ""
            while True:
                page = self._store.held_on(customer_id, stage, BATCH, token)
                yield from ((kind, each) for each in page.items)
                token = page.next_page_token
                if not token:
                    break

    def _advance(self, erasure: Erasure) -> None:
        if erasure.stage is Stage.DONE:
            now = identity.now()
            self._store.erasures.update(erasure.id, lambda each: each.completed(now))
            return
        page = self._store.held_on(erasure.customer_id, erasure.stage, BATCH, erasure.cursor)
        gone, further = page.items, page.next_page_token
        held: Collection[Any] = self._store.holding(erasure.stage)
        destroyed = held.erase([each.id for each in gone])  # first: what follows may be done by the next process
        held.fold([(each.id, _erased) for each in gone])
        self._store.erasures.update(
            erasure.id, lambda each: each.advanced(gone, destroyed, further), revision=erasure.revision
        )


def _erased(found: Interaction | Conversation | Promise | CustomerCopy | None) -> Change[Any]:
    now = identity.now()
    match found:
        case Interaction():
            return found.erased(ACTOR, now)
        case Conversation():
            return found.erased(now)
        case Promise():
            return found.erased()
        case _:
            return cast(CustomerCopy, found).without_person()  # nothing that is held is ever removed
