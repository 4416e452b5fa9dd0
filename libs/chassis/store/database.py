"""The collections of one service, and the rare transaction over several of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from libs.chassis.contention import attempts
from libs.chassis.domain import E, TooManyWriters
from libs.chassis.paging import Pager
from libs.chassis.sealing import Keyring
from libs.chassis.sealing.personal import BlindIndexes
from libs.chassis.store.collection import ATTEMPTS, FIRST_PAUSE, Collection
from libs.chassis.store.commands import Commands
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
        self.commands = self._make_commands(keyring)
        self._notes_in = ""

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

        The collection that callers change most `notes_commands` of the whole service, see `commands`.
        """
        if name in self.collections:
            raise ValueError(f"collection {name!r} is declared twice")
        self.vault.declare(entity, blind or {})
        for index in indexes:
            self.vault.check_index(entity, index.keys)
        if notes_commands and self._notes_in:
            raise ValueError(f"{name!r} and {self._notes_in!r} cannot both note the commands")
        self._notes_in = self._notes_in or (name if notes_commands else "")
        made = self._make(entity, name, indexes, publishes=publishes, notes_commands=notes_commands)
        self.collections[name] = made
        return made

    def transact(self, work: Callable[[], R], *, again: Callable[[], R] | None = None) -> R:
        """Run `work` in a transaction, again from the start when others were in the way (it must be pure but for the
        store). Only for changes that must happen to several entities together.

        In the repeat of a command nothing changes: `work` is run with changes that only read, or `again` instead, which
        is for work that looks at the present state before it changes anything.
        """
        for _ in attempts(ATTEMPTS, 2 * FIRST_PAUSE):
            with suppress(Contention), self.transaction():
                return again() if again is not None and self.commands.is_repeat() else work()
        raise TooManyWriters(id="the same entities")

    def refuse_reused(self) -> None:
        """RequestIdReused when the command that is served has a key that came with another request before.

        For use-cases that do something which stands by itself before the change that is noted.
        """
        note = self.commands.current()
        if note is not None:
            self.commands.was_applied(note)

    @abstractmethod
    def _make(
        self, entity: type[E], name: str, indexes: Sequence[Index], *, publishes: bool, notes_commands: bool
    ) -> Collection[E]: ...

    @abstractmethod
    def _make_commands(self, keyring: Keyring) -> Commands: ...

    @abstractmethod
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens or nothing does. Joins a transaction that is open. One attempt: Contention when
        others were in the way."""
