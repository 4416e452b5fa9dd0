"""The in-memory twin of the store, held to the same laws by one conformance suite.

For tests of use-cases: no server, no sockets, and every document and pending event open to inspection.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from kehu.common.v1 import envelope_pb2

from libs.chassis import context
from libs.chassis.domain import E
from libs.chassis.filtering import Condition, field
from libs.chassis.paging import Order
from libs.chassis.store import Index, Key, KeyTaken, Measure, Row
from libs.engine.sealing import Keyring, MemoryKeyring
from libs.engine.store.collection import StoredCollection
from libs.engine.store.commands import Commands, Note
from libs.engine.store.database import StoredDatabase
from libs.engine.store.fence import hold_claim, is_fenced
from libs.engine.store.matching import matches, values_at
from libs.engine.store.totals import totals_of, value_at
from libs.engine.store.writes import DuplicateKey, Write

Document = dict[str, Any]
R = TypeVar("R")


class MemoryDatabase(StoredDatabase):
    """The collections of a service, in dictionaries."""

    def __init__(self, service: str) -> None:
        super().__init__(service, bytes(32), MemoryKeyring())
        self.lock = threading.RLock()
        self.notes: dict[bytes, bytes] = {}
        """Key → fingerprint of the commands that were applied."""
        self._open: ContextVar[bool] = ContextVar(f"transaction_{service}", default=False)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._open.get():
            yield
            return
        with self.lock:
            token, begun = self._open.set(True), self.commands.begin()
            before = {name: dict(c.documents) for name, c in self._kept()}  # a document is replaced, never changed
            notes = dict(self.notes)
            try:
                hold_claim()
                yield
                self.commands.committed()
            except BaseException:
                for name, collection in self._kept():
                    collection.documents = before[name]
                self.notes = notes
                raise
            finally:
                self.commands.end(begun)
                self._open.reset(token)

    def events(self) -> list[envelope_pb2.Envelope]:
        """Every event that waits to be published, opened, oldest first, for assertions."""
        waiting = [
            (event["at"], event["seq"], event["body"])
            for _, collection in self._kept()
            for document in collection.documents.values()
            for event in document.get("_pending", ())
        ]
        envelopes = [envelope_pb2.Envelope.FromString(body) for *_, body in sorted(waiting, key=lambda each: each[:2])]
        self.vault.open_envelopes(envelopes)
        return envelopes

    def in_transaction(self) -> bool:
        """True when a transaction is open here."""
        return self._open.get()

    def _kept(self) -> list[tuple[str, MemoryCollection[Any]]]:
        return [(name, c) for name, c in self.collections.items() if isinstance(c, MemoryCollection)]

    def _make(
        self,
        entity: type[E],
        name: str,
        indexes: Sequence[Index],
        *,
        publishes: bool,
        notes_commands: bool,  # noqa: ARG002  (notes cost nothing here)
    ) -> StoredCollection[E]:
        return MemoryCollection(entity, name, database=self, indexes=indexes, publishes=publishes)

    def _make_commands(self, keyring: Keyring) -> Commands:
        return MemoryCommands(self, keyring)


class MemoryCommands(Commands):
    """Notes in a dictionary."""

    def __init__(self, database: MemoryDatabase, keyring: Keyring) -> None:
        super().__init__(database.service, keyring)
        self._database = database

    def keep(self, notes: Sequence[Note]) -> None:
        self._database.notes |= {note.key: note.fingerprint for note in notes}

    def _find(self, key: bytes) -> Sequence[Document]:
        known = self._database.notes.get(key)
        return [{"key": key, "fingerprint": known}] if known is not None else ()


class MemoryCollection(StoredCollection[E]):
    """Documents in a dictionary."""

    def __init__(
        self,
        entity: type[E],
        name: str,
        *,
        database: MemoryDatabase,
        indexes: Sequence[Index],
        publishes: bool,
    ) -> None:
        super().__init__(
            entity,
            name,
            vault=database.vault,
            pager=database.pager,
            indexes=indexes,
            publishes=publishes,
            commands=database.commands,
            notes_commands=False,
        )
        self._database = database
        self.documents: dict[str, Document] = {}

    def _read(self, ids: Sequence[str], *, with_bookkeeping: bool = False) -> dict[str, Document]:  # noqa: ARG002
        tenant = context.current().tenant
        with self._database.lock:
            return {
                id: copy.deepcopy(self.documents[id])
                for id in ids
                if id in self.documents and self.documents[id]["tenant"] == tenant
            }

    def _select(
        self, where: Condition | None, order: Order | None, limit: int, *, every_tenant: bool = False
    ) -> list[Document]:
        tenant = "" if every_tenant else context.current().tenant
        with self._database.lock:
            found = [
                document
                for document in self.documents.values()
                if (every_tenant or document["tenant"] == tenant) and matches(where, document)
            ]
            for name, direction in reversed(order.keys if order is not None else ()):
                found.sort(key=lambda document, name=name: _sort_key(document, name), reverse=direction < 0)  # type: ignore[misc]
            return copy.deepcopy(found[:limit])

    def _rows(
        self,
        where: Condition,
        paths: Sequence[str],
        *,
        index: Index,  # noqa: ARG002  (a dictionary needs none)
        order: Order | None,
        skip: int,
        limit: int | None,
    ) -> Iterator[Row]:
        found = self._select(where, order, len(self.documents))
        end = None if limit is None else skip + limit
        return iter([tuple(value_at(each, path) for path in paths) for each in found[skip:end]])

    def _totals(
        self,
        where: Condition,
        keys: Sequence[Key],
        measures: Sequence[Measure],
        index: Index,  # noqa: ARG002  (a dictionary needs none)
    ) -> list[Row]:
        return totals_of(self._select(where, None, len(self.documents)), keys, measures)

    def _ids_by(self, path: str, values: Sequence[Any], limit: int) -> dict[Any, list[str]]:
        return {value: [each["_id"] for each in self._select(field(path) == value, None, limit)] for value in values}

    def _insert(self, documents: Sequence[Document]) -> list[DuplicateKey | None]:
        if not self._in_transaction():
            hold_claim()
        refused: list[DuplicateKey | None] = []
        with self._database.lock:
            for document in documents:
                taken = "" if document["_id"] in self.documents else self._taken_index(document)
                refused.append(None if taken is None else DuplicateKey(taken))
                if taken is None:
                    self.documents[document["_id"]] = copy.deepcopy(document)
                elif taken and self._in_transaction():
                    raise KeyTaken.of(self.name, self.indexes[taken])
        return refused

    def _write(self, writes: Sequence[Write]) -> int:
        if is_fenced() and not self._in_transaction():
            return self._database.transact(lambda: self._write(writes))
        done = 0
        with self._database.lock:
            for write in writes:
                document = self.documents.get(write.id)
                if (
                    document is None
                    or document["tenant"] != context.current().tenant
                    or document["revision"] != write.seen
                ):
                    continue
                changed = {**document, **copy.deepcopy(dict(write.set))}
                if write.pending:
                    changed["_pending"] = [*document.get("_pending", ()), *write.pending]
                    changed["_pending_since"] = document.get("_pending_since", write.pending_since)
                taken = self._taken_index(changed)
                if taken is not None:
                    raise KeyTaken.of(self.name, self.indexes[taken])
                self.documents[write.id] = changed
                done += 1
        return done

    def _remove(self, ids: Sequence[str]) -> int:
        if is_fenced() and not self._in_transaction():
            return self._database.transact(lambda: self._remove(ids))
        with self._database.lock:
            return sum(self.documents.pop(id, None) is not None for id in ids)

    def _forget_notes(self, id: str, notes: Sequence[Mapping[str, Any]]) -> None:
        raise NotImplementedError("entities in memory hold no notes")

    def _transact(self, work: Callable[[], R]) -> R:
        return self._database.transact(work)

    def _in_transaction(self) -> bool:
        return self._database.in_transaction()

    def _taken_index(self, document: Document) -> str | None:
        """The unique index that refuses a document, or None."""
        for index in self.indexes.values():
            if not index.unique or not matches(index.only, document):
                continue
            mine = _keys_of(index, document)
            for other in self.documents.values():
                if other["_id"] == document["_id"] or not matches(index.only, other):
                    continue
                if (index.every_tenant or other["tenant"] == document["tenant"]) and mine & _keys_of(index, other):
                    return index.name
        return None


def _keys_of(index: Index, document: Document) -> set[tuple[object, ...]]:
    """The keys of a document in an index, one per element of the array that the paths share."""
    paths = [key.lstrip("-") for key in index.keys]
    columns = [values_at(document, path) or [None] for path in paths]
    rows = max(len(column) for column in columns)
    return {tuple(column[row] if len(column) > 1 else column[0] for column in columns) for row in range(rows)}


def _sort_key(document: Document, name: str) -> tuple[bool, Any]:
    value: Any = document
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value is not None, value
