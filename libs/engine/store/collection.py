"""The laws of a collection, whatever keeps its documents.

A document is `{_id, tenant, revision, create_time, update_time, …fields…, _sealed, _blind, _pending, _pending_since,
_commands}`: the entity, its personal values sealed and the blind indexes they are found by, the events that wait for
the relay, and the idempotency keys, all changed in one atomic write.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from libs.chassis import context, identity
from libs.chassis.contention import attempts
from libs.chassis.domain import Change, DomainError, E, RevisionMismatch, SourceKeyReused, TooManyWriters
from libs.chassis.filtering import Condition
from libs.chassis.paging import Order
from libs.chassis.store import Contention, Index, KeyTaken, Outcome, RequestIdReused
from libs.engine.crash import crash_point
from libs.engine.store.commands import NOTES, NOTES_IN_ENTITY, Commands, Note
from libs.engine.store.drafts import by_id, given
from libs.engine.store.pager import Pager
from libs.engine.store.reading import ReadableCollection
from libs.engine.store.vault import Vault
from libs.engine.store.writes import DuplicateKey, Write

ATTEMPTS = 12
"""Attempts of a change while others are faster."""

A = TypeVar("A")
R = TypeVar("R")


class StoredCollection(ReadableCollection[E]):
    """A collection that holds the laws, whatever keeps its documents."""

    def __init__(
        self,
        entity: type[E],
        name: str,
        *,
        vault: Vault,
        pager: Pager,
        indexes: Sequence[Index],
        publishes: bool,
        commands: Commands,
        notes_commands: bool,
    ) -> None:
        super().__init__(entity, name, vault=vault, pager=pager, indexes=indexes, publishes=publishes)
        self._commands, self._notes_commands = commands, notes_commands

    def id_of(self, key: str) -> str:
        return identity.derived_id(self.entity.ID_PREFIX, context.current().tenant, self.name, key)

    def next_id(self) -> str:
        here = context.current()
        if here.command is not None:
            return identity.derived_id(self.entity.ID_PREFIX, here.tenant, self.name, "request", here.command.key)
        return identity.new_id(self.entity.ID_PREFIX)

    def made(self) -> E:
        return self.get(self.next_id())

    def insert(self, create: Change[E] | Callable[[str], Change[E]], *, key: str = "") -> E:
        if self._needs_transaction():
            return self._transact(lambda: self.insert(create, key=key))
        if self._repeats() and (found := self.find_by_id(self._id(key))) is not None:
            return found
        [outcome] = self.insert_many([create(self._id(key)) if callable(create) else create], keys=[key])
        if outcome.error is not None:
            raise outcome.error
        return cast(E, outcome.entity)

    def insert_many(
        self, changes: Sequence[Change[E]], *, keys: Sequence[str], contents: Sequence[object] = ()
    ) -> list[Outcome[E]]:
        if self._needs_transaction(single=len(changes) == 1):
            return self._transact(lambda: self.insert_many(changes, keys=keys, contents=contents))
        self._repeats()
        at, note = identity.now(), self._note_within()
        told = contents or [None] * len(changes)
        prepared = [
            (*self._new(change, key, at, note, content), key)
            for change, key, content in zip(changes, keys, told, strict=True)
        ]
        outcomes: list[Outcome[E] | None] = [None] * len(prepared)
        first_of: dict[str, int] = {}
        fresh = []
        existing: Mapping[str, dict[str, Any]] = {}
        if self._in_transaction():
            # A duplicate key would abort the transaction, so look before writing.
            existing = self._read([entity.id for entity, _, _ in prepared], with_bookkeeping=True)
        for i, (entity, _, _) in enumerate(prepared):
            if entity.id not in existing and first_of.setdefault(entity.id, i) == i:
                fresh.append(i)
        refused = self._insert([prepared[i][1] for i in fresh]) if fresh else []
        self._written_alone()
        for i, duplicate in zip(fresh, refused, strict=True):
            if duplicate is None:
                outcomes[i] = Outcome(entity=prepared[i][0], created=True)
                if note is not None:
                    self._commands.done()
        unsettled = [i for i, outcome in enumerate(outcomes) if outcome is None]
        if unsettled:
            taken_by = dict(zip(fresh, refused, strict=True))
            there = {**existing, **self._read([prepared[i][0].id for i in unsettled], with_bookkeeping=True)}
            for i in unsettled:
                entity, document, key = prepared[i]
                outcomes[i] = self._settle(there.get(entity.id), document, taken_by.get(i), key, note)
        return cast(list[Outcome[E]], outcomes)

    def update(self, id: str, change: Callable[[E], Change[E]], *, revision: int = 0) -> E:
        if self._needs_transaction():
            return self._transact(lambda: self.update(id, change, revision=revision))
        if self._repeats():
            return self.get(id)
        for _ in attempts(ATTEMPTS):
            updated = self._try_update(id, change, revision)
            if updated is not None:
                return updated
            if self._in_transaction():
                raise Contention(f"{self.name} {id}")
        raise TooManyWriters(id=id)

    def update_many(self, arguments: Iterable[tuple[str, A]], change: Callable[[E, A], Change[E]]) -> list[E]:
        pairs = list(arguments)
        steps = by_id(pairs)
        if steps and self._needs_transaction(single=False):
            return self._transact(lambda: self.update_many(pairs, change))
        if steps and self._repeats():
            return self.batch_get(list(steps))
        documents = self._read(list(steps), with_bookkeeping=True) if steps else {}
        missing = next((id for id in steps if id not in documents), None)
        if missing is not None:
            raise self._not_found(missing)
        return self._apply(steps, documents, {}, change)

    def upsert_many(self, arguments: Iterable[tuple[E, A]], change: Callable[[E, A], Change[E]]) -> list[E]:
        pairs = list(arguments)
        blanks = {blank.id: blank for blank, _ in reversed(pairs)}
        if blanks and self._needs_transaction(single=False):
            return self._transact(lambda: self.upsert_many(pairs, change))
        steps = by_id((blank.id, argument) for blank, argument in pairs)
        documents = self._read(list(steps), with_bookkeeping=True) if steps else {}
        if steps and self._repeats():
            return [self.read(documents[id]) if id in documents else blanks[id] for id in steps]
        return self._apply(steps, documents, blanks, change)

    def erase(self, ids: Sequence[str]) -> int:
        sealed = [document.get("_sealed") or {} for document in self._read(ids).values()]
        keys = {each["key"] for each in sealed if each}
        self._vault.keyring.destroy(context.current().tenant, keys)
        return len(keys)

    def purge(self, where: Condition, *, limit: int) -> int:
        if self.publishes:
            raise TypeError(f"{self.name} publishes events: end the life of its entities by a state, not by removal")
        return self._remove([document["_id"] for document in self._select(where, Order(), limit)])

    # --------------------------------------------------------------------------------------- how it is worked out

    def _apply(
        self,
        steps: Mapping[str, Sequence[A]],
        documents: Mapping[str, dict[str, Any]],
        blanks: Mapping[str, E],
        change: Callable[[E, A], Change[E]],
    ) -> list[E]:
        """Takes each document, or else its blank, through its steps, and stores what came of it."""
        known = dict(zip(documents, self._drafts.read([*documents.values()]), strict=True))
        writes: list[Write] = []
        inserts: list[dict[str, Any]] = []
        changed: list[E] = []
        for id, arguments in steps.items():
            one_by_one = [partial(given, change, argument) for argument in arguments]
            if id in documents:
                write, entity = self._drafts.changed(documents[id], known[id], one_by_one)
                writes += [write] if write is not None else []
            else:
                document, entity = self._drafts.begun(blanks[id], one_by_one)
                inserts += [document] if document is not None else []
            changed.append(entity)
        if inserts and any(self._insert(inserts)):
            raise Contention(f"{self.name}: another worker created the same entity")
        if writes and self._write(writes) != len(writes):
            raise Contention(f"{self.name}: another worker changed the same entity")
        return changed

    def _try_update(self, id: str, change: Callable[[E], Change[E]], revision: int) -> E | None:
        """The entity after one attempt to change it. None when others were faster."""
        document, note = self._read([id], with_bookkeeping=True).get(id), self._note_within()
        if document is None:
            raise self._not_found(id)
        entity = self.read(document)
        if note is not None and note.in_notes(document.get(NOTES, ())):
            return entity
        try:
            if revision and revision != entity.revision:
                raise RevisionMismatch(id=id, revision=revision, current=entity.revision)
            write, changed = self._drafts.changed(document, entity, [change], note)
        except DomainError:
            if note is not None and self._commands.was_applied(note):
                return entity
            raise
        if write is None:
            return self._unchanged(entity, note)
        if note is not None and len(document.get(NOTES, ())) >= NOTES_IN_ENTITY:
            self._move_notes(document)
        try:
            if self._write([write]) != 1:
                return None
        except DuplicateKey:
            return self._repeated(id, note)
        self._written_alone()
        if note is not None:
            self._commands.done()
        return changed

    def _written_alone(self) -> None:
        if not self._in_transaction():
            crash_point("store.after_write")

    def _id(self, key: str) -> str:
        """The id of a new entity, perhaps with a natural key."""
        return self.id_of(key) if key else self.next_id()

    def _new(
        self, change: Change[E], key: str, at: datetime, note: Note | None, content: object
    ) -> tuple[E, dict[str, Any]]:
        """(entity as stored, its document) under the id that its key or the command gives."""
        entity, events = change
        if key or context.current().command is not None:
            entity = replace(entity, id=self._id(key))
        return self._drafts.new((entity, events), at, key=key, note=note, content=content)

    def _settle(
        self,
        there: dict[str, Any] | None,
        document: dict[str, Any],
        duplicate: DuplicateKey | None,
        key: str,
        note: Note | None,
    ) -> Outcome[E]:
        """The outcome of an insert whose id or unique key was found taken."""
        try:
            if there is None:
                index = self.indexes.get(duplicate.index if duplicate is not None else "")
                if index is not None:
                    return Outcome(error=KeyTaken.of(self.name, index))
                if note is None or not self._commands.was_applied(note):
                    raise Contention(f"{self.name} {document['_id']}")
                return Outcome(error=self._not_found(document["_id"]))
            if not key:
                return Outcome(entity=self._repeated(there["_id"], note))
            if there.get("_created_by", {}).get("fingerprint") != document["_created_by"]["fingerprint"]:
                return Outcome(error=SourceKeyReused(key=key, id=document["_id"]))
            return Outcome(entity=self._unchanged(self.read(there), note))
        except RequestIdReused as reused:
            return Outcome(error=reused)

    # ---------------------------------------------------------------------------------------------------- commands

    def _needs_transaction(self, *, single: bool = True) -> bool:
        """Returns true for a change that is noted together with its command in a transaction only."""
        if context.current().command is None or self._in_transaction():
            return False
        return not (single and self._notes_commands)

    def _repeats(self) -> bool:
        """Returns true in a transaction that serves a command which was applied before, where nothing may change."""
        return self._in_transaction() and self._commands.is_repeat()

    def _note_within(self) -> Note | None:
        """The note that is written into the entity that a command changes, when that takes no transaction."""
        if self._in_transaction():
            return None
        self._commands.require_undone()
        return self._commands.current()

    def _unchanged(self, entity: E, note: Note | None) -> E:
        """The entity, which a command leaves as it is. The command is noted nonetheless."""
        if note is not None:
            try:
                self._commands.keep([note])
            except DuplicateKey:
                return self._repeated(entity.id, note)
            self._commands.done()
        return entity

    def _repeated(self, id: str, note: Note | None) -> E:
        """The entity as a repeat gets it. RequestIdReused unless it is one."""
        if note is None or not self._commands.was_applied(note):
            raise RequestIdReused(request_id=note.request_id if note is not None else id)
        return self.get(id)

    def _move_notes(self, document: Mapping[str, Any]) -> None:
        """Moves the older half of the notes in an entity to documents of their own."""
        older = document[NOTES][: NOTES_IN_ENTITY // 2]

        def move() -> None:
            self._forget_notes(document["_id"], older)
            self._commands.keep([Note("", each["key"], each["fingerprint"]) for each in older])

        self._transact(move)

    # ------------------------------------------------------------------- what a keeper of documents provides

    @abstractmethod
    def _insert(self, documents: Sequence[dict[str, Any]]) -> list[DuplicateKey | None]:
        """Insert each and return what refused it, or None."""

    @abstractmethod
    def _write(self, writes: Sequence[Write]) -> int:
        """Apply each where its guard holds and return their number."""

    @abstractmethod
    def _remove(self, ids: Sequence[str]) -> int:
        """Remove documents and return their number."""

    @abstractmethod
    def _forget_notes(self, id: str, notes: Sequence[Mapping[str, Any]]) -> None:
        """Takes notes of commands out of an entity."""

    @abstractmethod
    def _transact(self, work: Callable[[], R]) -> R:
        """See `StoredDatabase.transact`."""

    @abstractmethod
    def _in_transaction(self) -> bool:
        """Returns true inside a transaction."""
