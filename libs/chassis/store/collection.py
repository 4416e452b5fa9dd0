"""The laws of a collection, whatever keeps its documents.

A document is `{_id, tenant, revision, create_time, update_time, …fields…, _sealed, _blind, _pending, _pending_since,
_commands}`: the entity, its personal values sealed and the blind indexes they are found by, the events that wait for
the relay, and the idempotency keys, all changed in one atomic write.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar, cast

from google.protobuf.message import Message

from libs.chassis import context, identity
from libs.chassis.contention import attempts
from libs.chassis.domain import AlreadyExists, Change, Conflict, E, Event, NotFound
from libs.chassis.filtering import Condition
from libs.chassis.paging import Order, Page, Pager, PageRequest, Position, page_size, request_hash
from libs.chassis.store.declaration import Contention, DuplicateKey, Index, Outcome, Write
from libs.chassis.store.drafts import Drafts, by_id, given, precomputed
from libs.chassis.store.refusals import request_id_reused, require_index, source_key_reused
from libs.chassis.store.totals import Key, Measure, Row, paths_of, require_within
from libs.chassis.store.vault import Vault

ATTEMPTS = 12
"""Attempts of a change while others are faster."""
FIRST_PAUSE = 0.002
"""Upper bound in seconds of the first pause between two of them."""


A = TypeVar("A")


class Collection(ABC, Generic[E]):
    """Entities of one type. All reads and writes are for the tenant of the current context."""

    def __init__(
        self, entity: type[E], name: str, *, vault: Vault, pager: Pager, indexes: Sequence[Index], publishes: bool
    ) -> None:
        self.entity, self.name, self.service, self.publishes = entity, name, vault.service, publishes
        self.indexes = {index.name: index for index in indexes}
        self._pager, self._vault = pager, vault
        self._drafts = Drafts(entity, name, vault, publishes=publishes)

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
        found = dict(zip(documents, self._drafts.read([*documents.values()]), strict=True))
        return [found[id] for id in ids]

    def find(self, where: Condition | None, *, order: str | Sequence[str] | None = (), limit: int) -> list[E]:
        """At most `limit` entities, for bounded reads inside a use-case.

        With `order=None` any of those that meet the condition, as the index gives them: what a prefix over an array
        needs, because sorting would read every match.
        """
        require_index(self.indexes.values(), where, order or ())
        total = None if order is None else Order(order)
        return self._drafts.read(self._select(where, total, limit))

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
        request: PageRequest | Message | bytes,
        *,
        order: str | Sequence[str] = "-create_time",
        size: int = 0,
        token: str = "",
    ) -> Page[E]:
        """One keyset page. The token only works with the same request, order and tenant."""
        if not isinstance(request, PageRequest):
            request = PageRequest(size, token, request_hash(request))
        require_index(self.indexes.values(), where, order)
        total, bound_to = Order(order), request.bound_to + context.current().tenant.encode()
        size, token = page_size(request.size), request.token
        rest = where
        if token:
            after = total.after(self._pager.open(token, bound_to, len(total.keys)))
            rest = after if where is None else where & after
        documents = self._select(rest, total, size + 1)
        more = len(documents) > size
        documents = documents[:size]
        return Page(
            self._drafts.read(documents),
            self._pager.seal(total.position(documents[-1]), bound_to) if more else "",
        )

    def rows(
        self,
        where: Condition,
        paths: Sequence[str],
        *,
        index: Index,
        order: str | Sequence[str] | None = None,
        skip: int = 0,
        limit: int | None = None,
    ) -> Iterator[Row]:
        """A few fields of every entity that meets a condition, read from an index alone, without opening a document."""
        require_within(index, where, paths)
        total = Order(order) if order is not None else None
        return self._rows(where, list(paths), index=index, order=total, skip=skip, limit=limit)

    def totals(self, where: Condition, keys: Sequence[Key], measures: Sequence[Measure], *, index: Index) -> list[Row]:
        """A row `(*keys, *measures)` for each group of the entities that meet a condition, in any order.

        Everything is read from an index alone.
        """
        require_within(index, where, paths_of(keys, measures))
        return self._totals(where, keys, measures, index)

    def across_tenants(
        self, where: Condition, *, order: str | Sequence[str] = (), limit: int
    ) -> list[tuple[str, str, E | Exception]]:
        """(tenant, id, entity or why it cannot be read) of every tenant, for background work, which one document must
        not stop; needs an index with `every_tenant`."""
        documents = self._select(where, Order(order), limit, every_tenant=True)
        found = zip(documents, self._drafts.read_each(documents), strict=True)
        return [(document["tenant"], document["_id"], read) for document, read in found]

    def stretch(
        self, where: Condition, *, order: str | Sequence[str], after: str = "", limit: int
    ) -> tuple[list[E], str]:
        """(at most `limit` entities behind a place, the place to go on from or nothing at the end).

        For work that goes on for days: unlike a page token, a place never expires, and it is never given to a caller.
        """
        require_index(self.indexes.values(), where, order)
        total = Order(order)
        rest = where & total.after(Position.at_place(after)) if after else where
        documents = self._select(rest, total, limit + 1)
        more, documents = len(documents) > limit, documents[:limit]
        return self._drafts.read(documents), total.position(documents[-1]).place() if more else ""

    def read(self, document: Mapping[str, Any]) -> E:
        """The entity in a stored document; without personal values when they were erased."""
        return self._drafts.read([document])[0]

    def blind_index(self, name: str, value: str) -> bytes:
        """What stands for a personal value in the index `_blind.<name>`, for conditions."""
        return self._drafts.safe.blind_index(context.current().tenant, name, value)

    # ------------------------------------------------------------------------------------------------ writing

    def id_of(self, key: str) -> str:
        """The id of the entity with a natural key, whether it exists or not."""
        return identity.derived_id(self.entity.ID_PREFIX, context.current().tenant, self.name, key)

    def next_id(self, key: str = "") -> str:
        """The id that `insert` gives: derived from the natural key or the command if there is one, else new."""
        here = context.current()
        if key:
            return self.id_of(key)
        if here.command is not None:
            return identity.derived_id(self.entity.ID_PREFIX, here.tenant, self.name, "request", here.command.key)
        return identity.new_id(self.entity.ID_PREFIX)

    def insert(self, create: Change[E] | Callable[[str], Change[E]], *, key: str = "") -> E:
        """Store the new entity that `create` makes of the id it is given, with its events.

        A repeat of the same command, or of the same natural `key`, returns the entity as it is now and writes nothing.
        The same key with other content is refused: InvalidArgument REQUEST_ID_REUSED for a command, AlreadyExists
        SOURCE_KEY_REUSED for a natural key. A unique index that is taken raises AlreadyExists.
        """
        change = create(self.next_id(key)) if callable(create) else create
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
        prepared = [(*self._new(change, key, at), key) for change, key in zip(changes, keys, strict=True)]
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
                entity, document, key = prepared[i]
                outcomes[i] = self._settle(there.get(entity.id), document, taken_by.get(i), key)
        return cast(list[Outcome[E]], outcomes)

    def update(self, id: str, change: Callable[[E], Change[E]], *, revision: int = 0) -> E:
        """Load, change and store in one atomic step, with the events and the idempotency key.

        `change` is pure: it may run several times when others write the same entity. A non-zero `revision` that is
        not the current one raises Conflict. A repeat of the same command returns the entity as it is now.
        """
        command = context.current().command
        for _ in attempts(ATTEMPTS, FIRST_PAUSE):
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
            write, changed = self._drafts.changed(document, entity, [change])
            if write is None:
                return entity
            if self._write([write]) == 1:
                return changed
            if self._in_transaction():
                raise Contention(f"{self.name} {id}")
        raise Conflict(f"{id} is changed by too many others at once: try again", id=id)

    def update_many(self, arguments: Iterable[tuple[str, A]], change: Callable[[E, A], Change[E]]) -> list[E]:
        """Change many entities in one read and one bulk write; each pair is an id and what `change` is given for it.

        Pairs with the same id apply in order. NotFound when one is missing; Contention asks to run all of it again.
        Returns the entities, one per distinct id.
        """
        steps = by_id(arguments)
        documents = self._read(list(steps), with_bookkeeping=True) if steps else {}
        missing = next((id for id in steps if id not in documents), None)
        if missing is not None:
            raise self._not_found(missing)
        return self._apply(steps, documents, {}, change)

    def upsert_many(self, arguments: Iterable[tuple[E, A]], change: Callable[[E, A], Change[E]]) -> list[E]:
        """The same, where a missing entity begins as the first of a pair: one that has its id and nothing happened to.

        It is not stored while `change` leaves it at that, without an event.
        """
        pairs = list(arguments)
        steps = by_id((blank.id, argument) for blank, argument in pairs)
        documents = self._read(list(steps), with_bookkeeping=True) if steps else {}
        return self._apply(steps, documents, {blank.id: blank for blank, _ in reversed(pairs)}, change)

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
        known = dict(zip(documents, self._drafts.read([*documents.values()]), strict=True))
        writes: list[Write] = []
        inserts: list[dict[str, Any]] = []
        folded: list[E] = []
        for id, steps in by_id.items():
            document = documents.get(id)
            if document is not None:
                write, entity = self._drafts.changed(document, known[id], steps)
                writes += [write] if write is not None else []
            else:
                first, events = cast(tuple[E | None, Sequence[Event]], steps[0](None))
                if first is None:
                    continue
                blank = replace(first, update_time=datetime.min.replace(tzinfo=UTC))
                created, entity = self._drafts.begun(blank, [partial(precomputed, (first, events)), *steps[1:]])
                inserts += [created] if created is not None else []
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
        transaction that is rolled back; to be repeated after a crash, and a repeat before that change counts the same.
        """
        sealed = [document.get("_sealed") or {} for document in self._read(ids).values()]
        keys = {each["key"] for each in sealed if each}
        self._vault.keyring.destroy(context.current().tenant, keys)
        return len(keys)

    def purge(self, where: Condition, *, limit: int) -> int:
        """Remove at most `limit` documents of a projection that nobody needs any more; how many were removed."""
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

    def _new(self, change: Change[E], key: str, at: datetime) -> tuple[E, dict[str, Any]]:
        """(entity as stored, its document) under the id that its key or the command gives."""
        entity, events = change
        command = context.current().command
        if key:
            return self._drafts.new((replace(entity, id=self.id_of(key)), events), at, {})
        if command is None:
            return self._drafts.new(change, at, None)
        created_by = {"key": command.key, "fingerprint": self._drafts.fingerprint(command.fingerprint)}
        return self._drafts.new((replace(entity, id=self.next_id()), events), at, created_by)

    def _settle(
        self, there: dict[str, Any] | None, document: dict[str, Any], duplicate: DuplicateKey | None, key: str
    ) -> Outcome[E]:
        """The outcome of an insert whose id or unique key was found taken."""
        if there is not None:
            if there.get("_created_by", {}).get("fingerprint") == document.get("_created_by", {}).get("fingerprint"):
                return Outcome(entity=self.read(there))
            command = document.get("_created_by", {}).get("key", document["_id"])
            return Outcome(error=source_key_reused(key, document["_id"]) if key else request_id_reused(command))
        index = self.indexes.get(duplicate.index if duplicate is not None else "")
        if index is None:
            raise Contention(f"{self.name} {document['_id']}")
        return Outcome(
            error=AlreadyExists(index.taken or f"{self.name}: {', '.join(index.keys)} is taken", index=index.name)
        )

    def _was_served(self, document: Mapping[str, Any], command: context.Command) -> bool:
        """Whether this entity has seen the command; refuses its key with another request."""
        known = [*document.get("_commands", ()), document.get("_created_by") or {}]
        for entry in known:
            if entry.get("key") == command.key:
                if entry["fingerprint"] != self._drafts.fingerprint(command.fingerprint):
                    raise request_id_reused(command.key)
                return True
        return False

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
    def _rows(
        self, where: Condition, paths: Sequence[str], *, index: Index, order: Order | None, skip: int, limit: int | None
    ) -> Iterator[Row]:
        """See `rows`."""

    @abstractmethod
    def _totals(self, where: Condition, keys: Sequence[Key], measures: Sequence[Measure], index: Index) -> list[Row]:
        """See `totals`."""

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
