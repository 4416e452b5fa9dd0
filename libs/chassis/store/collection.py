"""The laws of a collection, whatever keeps its documents.

A document is `{_id, tenant, revision, create_time, update_time, …fields…, _sealed, _tokens, _pending, _pending_since,
_commands}`: the entity, its personal values sealed and the tokens they are found by, the events that wait for the
relay, and the idempotency keys, all changed in one atomic write.
"""

from __future__ import annotations

import hashlib
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, cast

import msgspec
from google.protobuf.message import Message

from libs.chassis import context, identity
from libs.chassis.codec import from_doc, to_doc
from libs.chassis.domain import AlreadyExists, Change, Conflict, E, Event, NotFound
from libs.chassis.filtering import Condition
from libs.chassis.paging import Order, Page, Pager, page_size, request_hash
from libs.chassis.store.declaration import MAX_PENDING, Contention, DuplicateKey, Index, Outcome, RelayBehind, Write
from libs.chassis.store.events import NOT_CONTENT, differing, waiting_events
from libs.chassis.store.refusals import request_id_reused, require_index, source_key_reused
from libs.chassis.store.vault import Safe, Sealing, Vault

ATTEMPTS = 12
"""How often a change is tried again when others were faster."""


class Collection(ABC, Generic[E]):
    """Entities of one type. All reads and writes are for the tenant of the current context."""

    def __init__(
        self, entity: type[E], name: str, *, vault: Vault, pager: Pager, indexes: Sequence[Index], publishes: bool
    ) -> None:
        self.entity, self.name, self.service, self.publishes = entity, name, vault.service, publishes
        self.indexes = {index.name: index for index in indexes}
        self._pager, self._vault = pager, vault
        self._safe = Safe(vault, name, entity)

    # ------------------------------------------------------------------------------------------------ reading

    def get(self, id: str) -> E:
        """The entity; NotFound also when it is another tenant's."""
        found = self.find_by_id(id)
        if found is None:
            raise self._not_found(id)
        return found

    def find_by_id(self, id: str) -> E | None:
        """The entity, or None."""
        documents = self._read([id])
        return self.read(documents[id]) if documents else None

    def batch_get(self, ids: Sequence[str]) -> list[E]:
        """The entities in the order of the ids; NotFound if one is missing."""
        documents = self._read(list(dict.fromkeys(ids)))
        missing = next((id for id in ids if id not in documents), None)
        if missing is not None:
            raise self._not_found(missing)
        found = dict(zip(documents, self._entities([*documents.values()]), strict=True))
        return [found[id] for id in ids]

    def find(self, where: Condition | None, *, order: str | Sequence[str] | None = (), limit: int) -> list[E]:
        """At most `limit` entities, for bounded reads inside a use-case.

        With `order=None` any of those that meet the condition, as the index gives them: what a prefix over an array
        needs, because sorting would read every match.
        """
        require_index(self.indexes.values(), where, order or ())
        total = None if order is None else Order(order)
        return self._entities(self._select(where, total, limit))

    def find_one(self, where: Condition) -> E | None:
        """Any one entity that meets the condition, or None."""
        found = self.find(where, order=None, limit=1)
        return found[0] if found else None

    def ids_by(self, path: str, values: Sequence[Any], *, limit: int) -> dict[Any, list[str]]:
        """Value → ids of the entities that have it at an indexed path, for many values in one question.

        Of each value at most `limit` ids, any of them, so that a value which very many share costs no more than others.
        """
        require_index(self.indexes.values(), None, path)
        return self._ids_by(path, list(dict.fromkeys(values)), limit)

    def page(
        self,
        where: Condition | None,
        *,
        order: str | Sequence[str] = "-create_time",
        size: int,
        token: str,
        request: Message | bytes,
    ) -> Page[E]:
        """One keyset page. The token only works with the same request, order and tenant."""
        require_index(self.indexes.values(), where, order)
        total, bound_to = Order(order), request_hash(request) + context.current().tenant.encode()
        size = page_size(size)
        rest = where
        if token:
            after = total.after(self._pager.open(token, bound_to, len(total.keys)))
            rest = after if where is None else where & after
        documents = self._select(rest, total, size + 1)
        more = len(documents) > size
        documents = documents[:size]
        return Page(
            self._entities(documents),
            self._pager.seal(total.position(documents[-1]), bound_to) if more else "",
        )

    def across_tenants(self, where: Condition, *, order: str | Sequence[str] = (), limit: int) -> list[tuple[str, E]]:
        """(tenant, entity) of every tenant, for background work; needs an index with `every_tenant`."""
        documents = self._select(where, Order(order), limit, every_tenant=True)
        tenants = [document["tenant"] for document in documents]
        return list(zip(tenants, self._entities(documents), strict=True))

    def read(self, document: Mapping[str, Any]) -> E:
        """The entity in a stored document; without personal values when they were erased."""
        return self._entities([document])[0]

    def token(self, name: str, value: str) -> bytes:
        """What stands for a personal value in the index `_tokens.<name>`, for conditions."""
        return self._safe.token(context.current().tenant, name, value)

    # ------------------------------------------------------------------------------------------------ writing

    def next_id(self, key: str = "") -> str:
        """The id that `insert` will use: derived from the natural key or the command if there is one, else new.

        For use-cases that must know the id before they insert, because something else refers to it.
        """
        here = context.current()
        if key:
            return identity.derived_id(self.entity.ID_PREFIX, here.tenant, self.name, key)
        if here.command is not None:
            return identity.derived_id(self.entity.ID_PREFIX, here.tenant, self.name, "request", here.command.key)
        return identity.new_id(self.entity.ID_PREFIX)

    def insert(self, change: Change[E], *, key: str = "") -> E:
        """Store a new entity with its events.

        A repeat of the same command, or of the same natural `key`, returns the entity as it is now and writes nothing.
        The same key with other content is refused: InvalidArgument REQUEST_ID_REUSED for a command, AlreadyExists
        SOURCE_KEY_REUSED for a natural key. A unique index that is taken raises AlreadyExists.
        """
        outcome = self.insert_many([change], keys=[key])[0]
        if outcome.error is not None:
            raise outcome.error
        return cast(E, outcome.entity)

    def insert_many(self, changes: Sequence[Change[E]], *, keys: Sequence[str]) -> list[Outcome[E]]:
        """Store many new entities in one bulk write; every one stands alone and gets its outcome, in order.

        `keys` are natural keys, one per entity. With an empty one the entity keeps its id, or takes the command's,
        which is enough for a single entity only.
        """
        at = identity.now()
        prepared = [self._prepare(change, key, at) for change, key in zip(changes, keys, strict=True)]
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
        for i, duplicate in zip(fresh, refused, strict=True):
            if duplicate is None:
                outcomes[i] = Outcome(entity=prepared[i][0], created=True)
        unsettled = [i for i, outcome in enumerate(outcomes) if outcome is None]
        if unsettled:
            taken_by = dict(zip(fresh, refused, strict=True))
            there = {**existing, **self._read([prepared[i][0].id for i in unsettled], with_bookkeeping=True)}
            for i in unsettled:
                entity, document, natural = prepared[i]
                outcomes[i] = self._settle(there.get(entity.id), document, taken_by.get(i), natural)
        return cast(list[Outcome[E]], outcomes)

    def update(self, id: str, change: Callable[[E], Change[E]], *, revision: int = 0) -> E:
        """Load, change and store in one atomic step, with the events and the idempotency key.

        `change` is pure: it may run several times when others write the same entity. A non-zero `revision` that is
        not the current one raises Conflict. A repeat of the same command returns the entity as it is now.
        """
        command = context.current().command
        for attempt in range(ATTEMPTS):
            document = self._read([id], with_bookkeeping=True).get(id)
            if document is None:
                raise self._not_found(id)
            entity = self.read(document)
            if command is not None and self._was_served(document, command):
                return entity
            if revision and revision != entity.revision:
                raise Conflict(
                    f"revision {revision} is not the current one, {entity.revision}: read again, then decide",
                    id=id,
                    revision=entity.revision,
                )
            write, changed = self._changed(document, entity, [change])
            if write is None:
                return entity
            if self._write([write]) == 1:
                return changed
            if self._in_transaction():
                raise Contention(f"{self.name} {id}")
            time.sleep(random.uniform(0, 0.002 * 2 ** min(attempt, 6)))  # noqa: S311
        raise Conflict(f"{id} is changed by too many others at once: try again", id=id)

    def fold(self, changes: Sequence[tuple[str, Callable[[E | None], Change[E]]]]) -> list[E]:
        """Apply many changes in one read and one bulk write, for reactions to a batch of events.

        A change gets None while its entity does not exist and then returns one with that id. Several changes of one
        entity apply in order. Contention asks to run the batch again. Returns the entities, one per distinct id.
        """
        if not changes:
            return []
        by_id: dict[str, list[Callable[[E | None], Change[E]]]] = {}
        for id, change in changes:
            by_id.setdefault(id, []).append(change)
        documents = self._read(list(by_id), with_bookkeeping=True)
        known = dict(zip(documents, self._entities([*documents.values()]), strict=True))
        writes: list[Write] = []
        inserts: list[dict[str, Any]] = []
        folded: list[E] = []
        for id, steps in by_id.items():
            document = documents.get(id)
            if document is not None:
                write, entity = self._changed(document, known[id], steps)
                writes += [write] if write is not None else []
            else:
                created, first = self._created(id, steps)
                if created is None:
                    continue
                inserts.append(created)
                entity = cast(E, first)
            folded.append(entity)
        if inserts and any(self._insert(inserts)):
            raise Contention(f"{self.name}: another worker created the same entity")
        if writes and self._write(writes) != len(writes):
            raise Contention(f"{self.name}: another worker changed the same entity")
        return folded

    def erase(self, ids: Sequence[str]) -> int:
        """Destroys the keys of entities: what is personal in them, and in every event that ever told of them, cannot
        be read any more, here at once and in other processes within ten seconds; how many keys there were.

        What is left is to be stored by a change of each entity afterwards: it takes the tokens away. Not undone by a
        transaction that is rolled back; to be repeated after a crash.
        """
        sealed = [document.get("_sealed") or {} for document in self._read(ids).values()]
        return self._vault.keyring.destroy(context.current().tenant, [each["key"] for each in sealed if each])

    def purge(self, where: Condition, *, limit: int) -> int:
        """Remove at most `limit` documents of a projection that nobody needs any more; how many were removed."""
        if self.publishes:
            raise TypeError(f"{self.name} publishes events: end the life of its entities by a state, not by removal")
        return self._remove([document["_id"] for document in self._select(where, Order(), limit)])

    # --------------------------------------------------------------------------------------- how it is worked out

    def _prepare(self, change: Change[E], key: str, at: datetime) -> tuple[E, dict[str, Any], bool]:
        """(entity as stored, its document, whether its key is a natural one)."""
        here = context.current()
        entity, events = change
        if key or here.command is not None:
            entity = replace(entity, id=self.next_id(key))
        entity = replace(entity, revision=1, create_time=at, update_time=at)
        document = to_doc(entity)
        created_by: dict[str, Any] = {}
        if key:
            created_by = {"key": key, "fingerprint": self._content_hash(document)}
        elif here.command is not None:
            created_by = {"key": here.command.key, "fingerprint": here.command.fingerprint}
        sealing = self._sealing(entity.id)
        pending = self._pending(sealing, entity, events, at=at)
        document = sealing.whole(entity, document)
        if created_by:
            document["_created_by"] = created_by
        document["tenant"] = here.tenant
        if pending:
            document["_pending"], document["_pending_since"] = pending, at
        return entity, document, bool(key)

    def _settle(
        self, there: dict[str, Any] | None, document: dict[str, Any], duplicate: DuplicateKey | None, natural: bool
    ) -> Outcome[E]:
        """The outcome of an insert whose id or unique key was found taken."""
        if there is not None:
            if there.get("_created_by", {}).get("fingerprint") == document.get("_created_by", {}).get("fingerprint"):
                return Outcome(entity=self.read(there))
            key = document.get("_created_by", {}).get("key", document["_id"])
            return Outcome(error=source_key_reused(key, document["_id"]) if natural else request_id_reused(key))
        index = self.indexes.get(duplicate.index if duplicate is not None else "")
        if index is None:
            raise Contention(f"{self.name} {document['_id']}")
        return Outcome(
            error=AlreadyExists(index.taken or f"{self.name}: {', '.join(index.keys)} is taken", index=index.name)
        )

    def _created(
        self, id: str, steps: Sequence[Callable[[E | None], Change[E]]]
    ) -> tuple[dict[str, Any] | None, E | None]:
        """Document and entity made by the first step and changed by the others; (None, None) if none made one."""
        made: E | None = None
        document: dict[str, Any] = {}
        pending: list[dict[str, Any]] = []
        at, sealing = identity.now(), self._sealing(id)
        for step in steps:
            result = step(made)
            entity, events = cast(tuple[E | None, Sequence[Event]], result)
            if entity is None or (entity == made and not events):
                continue
            if entity.id != id:
                raise ValueError(f"{self.name}: the change of {id} made {entity.id}")
            before, revision = document, (made.revision if made else 0) + 1
            made = replace(entity, revision=revision, create_time=at, update_time=at)
            document = to_doc(made)
            changed = differing(before, document) if before else ()
            pending += self._pending(sealing, made, events, at=at, changed_fields=changed)
        if made is None:
            return None, None
        document = sealing.whole(made, document)
        document["tenant"] = context.current().tenant
        if pending:
            document["_pending"], document["_pending_since"] = pending, at
        return document, made

    def _changed(
        self, document: dict[str, Any], entity: E, steps: Sequence[Callable[[E], Change[E]]]
    ) -> tuple[Write | None, E]:
        """The guarded write that takes a stored document through the steps, or None when nothing changes."""
        here, at = context.current(), identity.now()
        before = to_doc(entity)
        start, pending = before, list[dict[str, Any]]()
        sealing = self._sealing(entity.id, document)
        for step in steps:
            changed, events = step(entity)
            if changed == entity and not events:
                continue
            if changed.id != entity.id:
                raise ValueError(f"{self.name}: a change may not alter the id of {entity.id}")
            entity = replace(changed, revision=entity.revision + 1, create_time=entity.create_time, update_time=at)
            after = to_doc(entity)
            changed_fields = differing(before, after)
            pending += self._pending(sealing, entity, events, at=at, changed_fields=changed_fields)
            before = after
        if before is start:
            return None, entity
        if len(document.get("_pending", ())) + len(pending) > MAX_PENDING:
            raise RelayBehind(f"{len(document['_pending'])} events of {entity.id} wait to be published")
        command = here.command and {
            "key": here.command.key,
            "fingerprint": here.command.fingerprint,
            "revision": entity.revision,
        }
        return Write(
            id=entity.id,
            seen=start["revision"],
            revision=entity.revision,
            set=sealing.difference(entity, start, before),
            pending=pending,
            pending_since=at if pending else None,
            command=command or None,
        ), entity

    def _pending(
        self,
        sealing: Sealing,
        entity: E,
        events: Sequence[Event],
        *,
        at: datetime,
        changed_fields: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        if bool(events) != self.publishes:
            what = "needs an event for every change" if self.publishes else "does not publish events"
            raise TypeError(f"{self.name} {what}")
        return waiting_events(self._vault, sealing, entity, events, at=at, changed_fields=changed_fields)

    def _sealing(self, id: str, document: Mapping[str, Any] | None = None) -> Sealing:
        """What seals one write of a document."""
        return Sealing(self._safe, context.current().tenant, id, (document or {}).get("_sealed") or {})

    def _content_hash(self, document: Mapping[str, Any]) -> bytes:
        """A fingerprint of what the caller gave, for keys that come with the data itself."""
        content = {name: value for name, value in document.items() if name not in NOT_CONTENT}
        encoded = msgspec.msgpack.encode(content, order="deterministic")
        return self._safe.fingerprint(context.current().tenant, hashlib.sha256(encoded).digest())

    def _was_served(self, document: Mapping[str, Any], command: context.Command) -> bool:
        """Whether this entity has seen the command; refuses its key with another request."""
        known = [*document.get("_commands", ()), document.get("_created_by") or {}]
        for entry in known:
            if entry.get("key") == command.key:
                if entry["fingerprint"] != command.fingerprint:
                    raise request_id_reused(command.key)
                return True
        return False

    def _entities(self, documents: Sequence[Mapping[str, Any]]) -> list[E]:
        return [from_doc(self.entity, document) for document in self._safe.opened(documents)]

    def _not_found(self, id: str) -> NotFound:
        return NotFound(self.entity.__name__, id)

    # ------------------------------------------------------------------- what a keeper of documents provides

    @abstractmethod
    def _read(self, ids: Sequence[str], *, with_bookkeeping: bool = False) -> dict[str, dict[str, Any]]:
        """Documents of the tenant by id; pending events and commands only when asked for."""

    @abstractmethod
    def _select(
        self, where: Condition | None, order: Order | None, limit: int, *, every_tenant: bool = False
    ) -> list[dict[str, Any]]:
        """At most `limit` documents in order, or in any without one."""

    @abstractmethod
    def _ids_by(self, path: str, values: Sequence[Any], limit: int) -> dict[Any, list[str]]:
        """See `ids_by`."""

    @abstractmethod
    def _insert(self, documents: Sequence[dict[str, Any]]) -> list[DuplicateKey | None]:
        """Insert each; what refused it, or None."""

    @abstractmethod
    def _write(self, writes: Sequence[Write]) -> int:
        """Apply each where its guard holds; how many did."""

    @abstractmethod
    def _remove(self, ids: Sequence[str]) -> int:
        """Remove documents; how many there were."""

    @abstractmethod
    def _in_transaction(self) -> bool:
        """Whether a transaction is open here."""
