"""The collections of one service, and the rare transaction over several of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from libs.chassis.domain import E
from libs.chassis.store.collection import Collection
from libs.chassis.store.declaration import BlindIndexes, Index

R = TypeVar("R")


class Database(ABC):
    """The collections of one service."""

    service: str
    collections: Mapping[str, Collection[Any]]
    """Name → collection."""

    @abstractmethod
    def collection(
        self,
        entity: type[E],
        name: str,
        *,
        indexes: Sequence[Index] = (),
        publishes: bool = True,
        blind: BlindIndexes | None = None,
        notes_commands: bool = False,
    ) -> Collection[E]:
        """Declare a collection. One that publishes needs an event for every change. Projections do not.

        What the protos declare personal is sealed in documents and events; domain and use-cases see it open. Sealed
        values are found by `blind` indexes: name → the values of an entity to be found by. An index on `_blind.<name>`
        serves `field("_blind.<name>") == collection.blind_index(name, value)`, for equality and nothing else.

        The collection that callers change most `notes_commands` of the whole service, see `libs.engine.store.commands`.
        """

    @abstractmethod
    def transact(self, work: Callable[[], R], *, again: Callable[[], R] | None = None) -> R:
        """Run `work` in a transaction, again from the start when others were in the way (it must be pure but for the
        store). Only for changes that must happen to several entities together.

        In the repeat of a command nothing changes: `work` is run with changes that only read, or `again` instead, which
        is for work that looks at the present state before it changes anything.
        """

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens or nothing does. Joins a transaction that is open. One attempt: Contention when
        others were in the way."""

    @abstractmethod
    def refuse_reused(self) -> None:
        """RequestIdReused when the command that is served has a key that came with another request before.

        For use-cases that do something which stands by itself before the change that is noted.
        """
