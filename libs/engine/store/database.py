"""The collections of one service, and the rare transaction over several of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from libs.chassis.contention import FIRST_PAUSE, attempts
from libs.chassis.domain import E, TooManyWriters
from libs.chassis.store import BlindIndexes, Collection, Contention, Database, Index
from libs.engine.sealing import Keyring
from libs.engine.store.collection import ATTEMPTS, StoredCollection
from libs.engine.store.commands import Commands
from libs.engine.store.pager import Pager
from libs.engine.store.vault import Vault

R = TypeVar("R")


class StoredDatabase(Database):
    """The collections of one service, whatever keeps their documents."""

    def __init__(self, service: str, page_key: bytes, keyring: Keyring) -> None:
        self.service = service
        self.collections: dict[str, StoredCollection[Any]] = {}
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
        for _ in attempts(ATTEMPTS, 2 * FIRST_PAUSE):
            with suppress(Contention), self.transaction():
                return again() if again is not None and self.commands.is_repeat() else work()
        raise TooManyWriters(id="the same entities")

    def refuse_reused(self) -> None:
        note = self.commands.current()
        if note is not None:
            self.commands.was_applied(note)

    @abstractmethod
    def _make(
        self, entity: type[E], name: str, indexes: Sequence[Index], *, publishes: bool, notes_commands: bool
    ) -> StoredCollection[E]: ...

    @abstractmethod
    def _make_commands(self, keyring: Keyring) -> Commands: ...
