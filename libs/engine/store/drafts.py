"""Changes of entities as they are to be stored: documents, guarded writes and the events that wait in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from pymongo.errors import PyMongoError

from libs.chassis import context, identity
from libs.chassis.codec import from_doc, to_doc
from libs.chassis.domain import Change, E, Event
from libs.chassis.store import RelayBehind
from libs.engine.store.commands import NOTES, Note
from libs.engine.store.events import NOT_CONTENT, differing, waiting_events
from libs.engine.store.refusals import TooManyEvents
from libs.engine.store.vault import Safe, Sealing, Vault
from libs.engine.store.writes import MAX_PENDING, MAX_PENDING_BYTES, Write

A = TypeVar("A")
Document = dict[str, Any]
Step = Callable[[E], Change[E]]


class Drafts(Generic[E]):
    """Takes entities of one collection through changes, in memory."""

    def __init__(self, entity: type[E], name: str, vault: Vault, *, publishes: bool) -> None:
        self.safe = Safe(vault, name, entity)
        self._entity, self._name, self._vault, self._publishes = entity, name, vault, publishes

    def read(self, documents: Sequence[Mapping[str, Any]]) -> list[E]:
        """The entities in stored documents. Without personal values where they were erased."""
        return [from_doc(self._entity, document) for document in self.safe.opened(documents)]

    def read_each(self, documents: Sequence[Mapping[str, Any]]) -> list[E | Exception]:
        """The entities, or why one cannot be read. What is wrong with the database itself is raised."""
        try:
            return list(self.read(documents))
        except PyMongoError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one document, the others are read)
            if len(documents) == 1:
                return [error]
        return [each for document in documents for each in self.read_each([document])]

    def new(
        self, change: Change[E], at: datetime, *, key: str, note: Note | None, content: object = None
    ) -> tuple[E, Document]:
        """(entity as stored, its document). What a caller gave is fingerprinted when it has a natural key.

        That is the entity, unless there is a `content`.
        """
        entity, events = change
        entity = replace(entity, revision=self._vault.revisions.after(0), create_time=at, update_time=at)
        open_document, sealing = to_doc(entity), self._sealing(entity.id)
        pending = self._pending(sealing, entity, events, at=at)
        document = self._whole(sealing, entity, open_document, pending, at)
        if key:
            if content is None:
                content = {name: value for name, value in open_document.items() if name not in NOT_CONTENT}
            document["_created_by"] = {"fingerprint": self._content_hash(content)}
        if note is not None:
            document[NOTES] = [note.document()]
        return entity, document

    def begun(self, blank: E, steps: Sequence[Step[E]]) -> tuple[Document | None, E]:
        """(document, entity) of a blank that was taken through the steps. No document when none changed it."""
        at, sealing = identity.now(), self._sealing(blank.id)
        entity, document = blank, Document()
        pending: list[Document] = []
        for step in steps:
            changed, events = step(entity)
            if changed == entity and not events:
                continue
            self._require_same(entity, changed)
            entity = replace(
                changed, revision=self._vault.revisions.after(entity.revision), create_time=at, update_time=at
            )
            before, document = document, to_doc(entity)
            differs = differing(before, document) if before else ()
            pending += self._pending(sealing, entity, events, at=at, changed_fields=differs)
        return (self._whole(sealing, entity, document, pending, at) if document else None), entity

    def changed(
        self, document: Document, entity: E, steps: Sequence[Step[E]], note: Note | None = None
    ) -> tuple[Write | None, E]:
        """The guarded write that takes a stored document through the steps, or None when nothing changes."""
        at = identity.now()
        before = to_doc(entity)
        start, pending = before, list[Document]()
        sealing = self._sealing(entity.id, document)
        for step in steps:
            changed, events = step(entity)
            if changed == entity and not events:
                continue
            self._require_same(entity, changed)
            entity = replace(
                changed,
                revision=self._vault.revisions.after(entity.revision),
                create_time=entity.create_time,
                update_time=at,
            )
            after = to_doc(entity)
            changed_fields = differing(before, after)
            pending += self._pending(sealing, entity, events, at=at, changed_fields=changed_fields)
            before = after
        if before is start:
            return None, entity
        _require_room(entity.id, document.get("_pending", ()), pending)
        return Write(
            id=entity.id,
            seen=start["revision"],
            revision=entity.revision,
            set=sealing.difference(entity, start, before),
            pending=pending,
            pending_since=at if pending else None,
            note=note.document() if note is not None else None,
        ), entity

    def _whole(
        self, sealing: Sealing, entity: E, document: Document, pending: Sequence[Document], at: datetime
    ) -> Document:
        """A new document, sealed and with its bookkeeping."""
        _require_room(entity.id, (), pending)
        document = sealing.whole(entity, document)
        document["tenant"] = context.current().tenant
        if pending:
            document["_pending"], document["_pending_since"] = pending, at
        return document

    def _require_same(self, before: E, after: E) -> None:
        if before.id != after.id:
            raise ValueError(f"{self._name}: a change may not alter the id of {before.id}")

    def _pending(
        self,
        sealing: Sealing,
        entity: E,
        events: Sequence[Event],
        *,
        at: datetime,
        changed_fields: Sequence[str] = (),
    ) -> list[Document]:
        if bool(events) != self._publishes:
            what = "needs an event for every change" if self._publishes else "does not publish events"
            raise TypeError(f"{self._name} {what}")
        return waiting_events(self._vault, sealing, entity, events, at=at, changed_fields=changed_fields)

    def _sealing(self, id: str, document: Mapping[str, Any] | None = None) -> Sealing:
        """The sealing of one write of a document."""
        return Sealing(self.safe, context.current().tenant, id, (document or {}).get("_sealed") or {})

    def _content_hash(self, content: object) -> bytes:
        """A fingerprint of what the caller gave, for keys that come with the data itself."""
        encoded = msgspec.msgpack.encode(content, order="deterministic")
        return self.fingerprint(hashlib.sha256(encoded).digest())

    def fingerprint(self, digest: bytes) -> bytes:
        """A keyed form of a digest of what a caller sent, which nobody can compare guesses with."""
        return self.safe.fingerprint(context.current().tenant, digest)


def by_id(arguments: Iterable[tuple[str, A]]) -> dict[str, list[A]]:
    """Id → its arguments in order."""
    found: dict[str, list[A]] = {}
    for id, argument in arguments:
        found.setdefault(id, []).append(argument)
    return found


def given(change: Callable[[E, A], Change[E]], argument: A, entity: E) -> Change[E]:
    """A change that is given its argument."""
    return change(entity, argument)


def _require_room(id: str, waiting: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> None:
    """TooManyEvents for a change that never fits into its entity, RelayBehind for one that does not fit yet."""
    count, size = len(new), sum(each["size"] for each in new)
    if count > MAX_PENDING or size > MAX_PENDING_BYTES:
        raise TooManyEvents(
            entity_id=id, events=count, allowed_events=MAX_PENDING, bytes=size, allowed_bytes=MAX_PENDING_BYTES
        )
    size += sum(each.get("size", 0) for each in waiting)
    if len(waiting) + count > MAX_PENDING or size > MAX_PENDING_BYTES:
        raise RelayBehind(f"{len(waiting)} events of {id} wait to be published")
