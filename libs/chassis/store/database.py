"""The collections of one service, and the rare transaction over several of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from libs.chassis.contention import attempts
from libs.chassis.domain import Conflict, E
from libs.chassis.paging import Pager
from libs.chassis.sealing import Keyring
from libs.chassis.sealing.personal import BlindIndexes
from libs.chassis.store.collection import ATTEMPTS, FIRST_PAUSE, Collection
from libs.chassis.store.declaration import Contention, Index
from libs.chassis.store.vault import Vault

R = TypeVar("R")


class Database(ABC):
    """The collections of one service."""

    def __init__(self, service: str, page_key: bytes, keyring: Keyring) -> None:
        self.service = service
        self.collections: dict[str, Collection[Any]] = {}
        self.pager = Pager(page_key)
        self.vault = Vault(service, keyring)

    def collection(
        self,
        entity: type[E],
        name: str,
        *,
        indexes: Sequence[Index] = (),
        publishes: bool = True,
        blind: BlindIndexes | None = None,
    ) -> Collection[E]:
        """Declare a collection. One that publishes needs an event for every change; projections do not.

        What the protos declare personal is sealed in documents and events; domain and use-cases see it open. Sealed
        values are found by `blind` indexes: name → the values of an entity to be found by. An index on `_blind.<name>`
        serves `field("_blind.<name>") == collection.blind_index(name, value)`, for equality and nothing else.
        """
        if name in self.collections:
            raise ValueError(f"collection {name!r} is declared twice")
        self.vault.declare(entity, blind or {})
        for index in indexes:
            self.vault.check_index(entity, index.keys)
        made = self._make(entity, name, indexes, publishes)
        self.collections[name] = made
        return made

    def transact(self, work: Callable[[], R]) -> R:
        """Run `work` in a transaction, again from the start when others were in the way (it must be pure but for the
        store). Only for changes that must happen to several entities together."""
        for _ in attempts(ATTEMPTS, 2 * FIRST_PAUSE):
            with suppress(Contention), self.transaction():
                return work()
        raise Conflict("too many others change the same entities at once: try again")

    @abstractmethod
    def _make(self, entity: type[E], name: str, indexes: Sequence[Index], publishes: bool) -> Collection[E]: ...

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens or nothing does; joins a transaction that is open. One attempt: Contention when
        others were in the way."""
