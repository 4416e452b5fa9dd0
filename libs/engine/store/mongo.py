"""The laws of `collection` kept on MongoDB, and the only place that builds a MongoClient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC
from typing import Any, TypeVar

from bson.codec_options import CodecOptions
from pymongo import InsertOne, MongoClient, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection as RawCollection
from pymongo.database import Database as RawDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError, WTimeoutError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from libs.chassis import context, identity
from libs.chassis.domain import E
from libs.chassis.filtering import Condition, to_mongo
from libs.chassis.paging import Order
from libs.chassis.store import Contention, Index, Key, KeyTaken, Measure, Row
from libs.engine import metrics
from libs.engine.crash import crash_point
from libs.engine.sealing import Keyring, Masters
from libs.engine.sealing.mongo import MongoKeyring
from libs.engine.store.collection import StoredCollection
from libs.engine.store.commands import COLLECTION, EXPIRY, NOTES, UNIQUE, Commands, Note
from libs.engine.store.database import StoredDatabase
from libs.engine.store.fence import hold_claim, is_fenced
from libs.engine.store.indexes import Indexes
from libs.engine.store.refusals import TransactionTooLarge
from libs.engine.store.totals import from_group, to_pipeline
from libs.engine.store.vault import BLIND
from libs.engine.store.writes import PENDING, TRANSACTION_DOCUMENTS, DuplicateKey, Write

Document = dict[str, Any]
R = TypeVar("R")
_DUPLICATE_KEY = 11000
_NAMESPACE_EXISTS = 48
_VALUES_AT_ONCE = 1000
"""Values that one question looks up."""
_UNREAD: Mapping[str, int] = {"_pending": 0, NOTES: 0, "_note_time": 0, BLIND: 0}
"""Bookkeeping fields, excluded from reads: often more than half of a document."""
STANDALONE = ("MongoDB runs as a standalone server", "start it as a replica set (one member is enough)")
"""The fault of a server that is not `replicated`, and what to do."""


def connect(uri: str, service: str, *, patient: bool = False) -> MongoClient[Document]:
    """An `unconnected` client that has found its server.

    ConnectionFailure when there is none; RuntimeError when it is not a member of a replica set.
    """
    client = unconnected(uri, service, patient=patient)
    try:
        found = replicated(client)
    except PyMongoError:
        client.close()
        raise
    if not found:
        client.close()
        raise RuntimeError(": ".join(STANDALONE))
    return client


def replicated(client: MongoClient[Document]) -> bool:
    """True for a member of a replica set. No promise holds elsewhere."""
    return "setName" in client.admin.command("hello")


def unconnected(uri: str, service: str, *, patient: bool = False) -> MongoClient[Document]:
    """A client with the settings that every promise rests on: majority and journal for writes, majority for reads.

    It looks for its server when it is used. A `patient` one waits for answers that take long, which a call or an event
    never may.
    """
    return MongoClient(
        uri,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        readPreference="primary",
        retryWrites=True,
        retryReads=True,
        serverSelectionTimeoutMS=3000,
        connectTimeoutMS=2000,
        socketTimeoutMS=None if patient else 8000,
        # Nobody waits for a connection that others hold: as many as there are threads, and those are counted. What is
        # left to wait for is a connection that is made, a few at a time.
        maxPoolSize=None,
        maxConnecting=8,
        maxIdleTimeMS=120_000,
        waitQueueTimeoutMS=2000,
        appname=f"kehu-{service}",
        tz_aware=True,
        tzinfo=UTC,
    )


class MongoDatabase(StoredDatabase):
    """The collections of a service in the MongoDB database of the same name."""

    def __init__(
        self,
        client: MongoClient[Document],
        service: str,
        *,
        page_key: bytes,
        seal_key: bytes | Masters = b"",
        name: str = "",
    ) -> None:
        super().__init__(service, page_key, MongoKeyring(client, seal_key))
        self.client = client
        self.raw: RawDatabase[Document] = client.get_database(name or service).with_options(
            codec_options=CodecOptions(tz_aware=True, tzinfo=UTC)
        )
        self._kept: dict[str, Sequence[Index]] = {}
        self._written: ContextVar[int] = ContextVar(f"written_{service}", default=0)
        self._session: ContextVar[ClientSession | None] = ContextVar(f"session_{service}", default=None)

    @property
    def session(self) -> ClientSession | None:
        """The session of the open transaction, for statements that do not go through a Collection."""
        return self._session.get()

    def publishing_collections(self) -> list[str]:
        """Names of the collections whose documents may hold events that wait for the relay."""
        return [name for name, collection in self.collections.items() if collection.publishes]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._session.get() is not None:
            yield
            return
        with self.client.start_session() as session:
            token = self._session.set(session)
            written = self._written.set(0)
            begun = self.commands.begin()
            try:
                # Transactions ignore the concerns of client and collection, so they are named again.
                with session.start_transaction(
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern("majority", j=True),
                    read_preference=ReadPreference.PRIMARY,
                    max_commit_time_ms=5000,
                ):
                    hold_claim()
                    yield
                    crash_point("store.before_commit")
                crash_point("store.after_commit")
                self.commands.committed()
            except PyMongoError as error:
                if _is_duplicate_id(error) or error.has_error_label("TransientTransactionError"):
                    raise Contention(str(error)) from error
                raise
            finally:
                self.commands.end(begun)
                self._session.reset(token)
                self._written.reset(written)

    def count_written(self, documents: int) -> None:
        """Counts documents that the open transaction is about to write. TransactionTooLarge when they are too many."""
        if self.session is None:
            return
        written = self._written.get() + documents
        if written > TRANSACTION_DOCUMENTS:
            raise TransactionTooLarge(documents=written, allowed=TRANSACTION_DOCUMENTS)
        self._written.set(written)

    def keep(self, collection: str, indexes: Sequence[Index]) -> None:
        """Declares the indexes of a collection that no entity of the service lives in."""
        self._kept[collection] = indexes

    def migrate(self, *, remove: bool = False) -> list[str]:
        """Makes collections and indexes that are missing, and returns a line for each step when they are built.

        Those no longer declared stay, because the release before uses them while it still runs, or when it comes back;
        with `remove` they are dropped.
        """
        done = []
        existing = set(self.raw.list_collection_names())
        for name, indexes in self._declared():
            if name not in existing:
                with _unless(_NAMESPACE_EXISTS):
                    self.raw.create_collection(name, check_exists=False)
                    done.append(f"created collection {name}")
            done += indexes.make(remove=remove)
        return done

    def index_problems(self, *, thorough: bool = False) -> list[str]:
        """Declared indexes that are missing, unfinished or different, one text each: see `Indexes.problems`."""
        return [text for _, indexes in self._declared() for text in indexes.problems(thorough=thorough)]

    def _declared(self) -> Iterator[tuple[str, Indexes]]:
        """Yields every collection with its indexes."""
        for name, collection in self.collections.items():
            pending = (PENDING,) if collection.publishes else ()
            notes = (UNIQUE, EXPIRY) if name == self._notes_in else ()
            yield name, Indexes(self.raw, name, [*collection.indexes.values(), *pending, *notes])
        if not self._notes_in:
            yield COLLECTION, Indexes(self.raw, COLLECTION, [UNIQUE, EXPIRY])
        for name, kept in self._kept.items():
            yield name, Indexes(self.raw, name, kept)

    def _make(
        self, entity: type[E], name: str, indexes: Sequence[Index], *, publishes: bool, notes_commands: bool
    ) -> StoredCollection[E]:
        return MongoCollection(
            entity, name, database=self, indexes=indexes, publishes=publishes, notes_commands=notes_commands
        )

    def _make_commands(self, keyring: Keyring) -> Commands:
        return MongoCommands(self, keyring)

    def notes(self) -> RawCollection[Document]:
        """The collection with the notes of commands."""
        return self.raw[self._notes_in or COLLECTION]


class MongoCommands(Commands):
    """Notes in a MongoDB collection."""

    def __init__(self, database: MongoDatabase, keyring: Keyring) -> None:
        super().__init__(database.service, keyring)
        self._database = database

    def keep(self, notes: Sequence[Note]) -> None:
        at = identity.now()
        documents = [{"_id": note.key, NOTES: [note.document()], "_note_time": at} for note in notes]
        try:
            self._database.notes().insert_many(documents, session=self._database.session)
        except BulkWriteError as error:
            if self._database.session is None and _is_duplicate_id(error):
                raise DuplicateKey(UNIQUE.name) from error
            raise

    def _find(self, key: bytes) -> Sequence[Document]:
        found = self._database.notes().find_one(
            {f"{NOTES}.key": key}, {NOTES: {"$elemMatch": {"key": key}}}, session=self._database.session
        )
        return found[NOTES] if found is not None else ()


class MongoCollection(StoredCollection[E]):
    """Documents in a MongoDB collection."""

    def __init__(
        self,
        entity: type[E],
        name: str,
        *,
        database: MongoDatabase,
        indexes: Sequence[Index],
        publishes: bool,
        notes_commands: bool,
    ) -> None:
        super().__init__(
            entity,
            name,
            vault=database.vault,
            pager=database.pager,
            indexes=indexes,
            publishes=publishes,
            commands=database.commands,
            notes_commands=notes_commands,
        )
        self._database = database
        self.raw = database.raw[name]

    def _read(self, ids: Sequence[str], *, with_bookkeeping: bool = False) -> dict[str, Document]:
        # A change needs to know how many events wait, never what they say.
        projection = {"_pending.body": 0, BLIND: 0} if with_bookkeeping else _UNREAD
        tenant = context.current().tenant
        with self._timed("read"):
            if len(ids) == 1:
                found = self.raw.find_one({"_id": ids[0], "tenant": tenant}, projection, session=self._database.session)
                return {ids[0]: found} if found is not None else {}
            documents = self.raw.find(
                {"_id": {"$in": list(ids)}, "tenant": tenant}, projection, session=self._database.session
            )
            return {document["_id"]: document for document in documents}

    def _select(
        self, where: Condition | None, order: Order | None, limit: int, *, every_tenant: bool = False
    ) -> list[Document]:
        query = {**({} if every_tenant else {"tenant": context.current().tenant}), **to_mongo(where)}
        with self._timed("select"):
            cursor = self.raw.find(query, _UNREAD, session=self._database.session)
            if order is not None:
                cursor = cursor.sort(list(order.keys))
            # One batch: the page, never a second round trip.
            return list(cursor.limit(limit).batch_size(limit + 1))

    def _rows(
        self, where: Condition, paths: Sequence[str], *, index: Index, order: Order | None, skip: int, limit: int | None
    ) -> Iterator[Row]:
        flat = {f"f{number}": f"${path}" for number, path in enumerate(paths)}
        steps: list[Document] = [{"$sort": dict(order.keys)}] if order is not None else []
        steps += [{"$skip": skip}] if skip else []
        steps += [{"$limit": limit}] if limit is not None else []
        for row in self._aggregate(where, [*steps, {"$project": {"_id": 0, **flat}}], index):
            yield tuple(row.get(name) for name in flat)

    def _totals(self, where: Condition, keys: Sequence[Key], measures: Sequence[Measure], index: Index) -> list[Row]:
        groups = self._aggregate(where, to_pipeline(keys, measures), index)
        return [from_group(group, keys, measures) for group in groups]

    def _aggregate(self, where: Condition, steps: Sequence[Document], index: Index) -> Iterator[Document]:
        match = {"tenant": context.current().tenant, **to_mongo(where)}
        yield from self.raw.aggregate(
            [{"$match": match}, *steps], hint=index.name, allowDiskUse=True, session=self._database.session
        )

    def _ids_by(self, path: str, values: Sequence[Any], limit: int) -> dict[Any, list[str]]:
        of_one = [{"$match": {"tenant": context.current().tenant}}, {"$limit": limit}, {"$project": {"_id": 1}}]
        lookup = {"from": self.name, "localField": "_id", "foreignField": path, "pipeline": of_one, "as": "found"}
        found: dict[Any, list[str]] = {}
        for start in range(0, len(values), _VALUES_AT_ONCE):
            asked = [{"_id": {"$literal": value}} for value in values[start : start + _VALUES_AT_ONCE]]
            steps: list[Document] = [{"$documents": asked}, {"$lookup": lookup}, {"$project": {"found": "$found._id"}}]
            with self._timed("select"), self._database.raw.aggregate(steps, session=self._database.session) as rows:
                found |= {row["_id"]: row["found"] for row in rows}
        return found

    def _insert(self, documents: Sequence[Document]) -> list[DuplicateKey | None]:
        if not self._in_transaction():
            hold_claim()  # in a transaction, the first duplicate would end it
        refused: list[DuplicateKey | None] = [None] * len(documents)
        self._database.count_written(len(documents))
        with self._timed("insert"):
            try:
                if len(documents) == 1:
                    self.raw.insert_one(documents[0], session=self._database.session)
                else:
                    requests = [InsertOne(document) for document in documents]
                    self.raw.bulk_write(requests, ordered=False, session=self._database.session)
            except (DuplicateKeyError, BulkWriteError) as error:
                if self._in_transaction():
                    raise self._taken(error) from error
                if doubt := _in_doubt(error):
                    raise doubt from error
                for failure in _failures(error):
                    if failure["code"] != _DUPLICATE_KEY:
                        raise
                    refused[failure.get("index", 0)] = DuplicateKey(_index_name(failure))
        return refused

    def _write(self, writes: Sequence[Write]) -> int:
        if is_fenced() and not self._in_transaction():
            return self._database.transact(lambda: self._write(writes))
        tenant = context.current().tenant
        with self._timed("write"):
            try:
                if len(writes) == 1:
                    guard, statement = _statement(writes[0], tenant)
                    return self.raw.update_one(guard, statement, session=self._database.session).modified_count
                statements = [UpdateOne(*_statement(write, tenant)) for write in writes]
                return self.raw.bulk_write(statements, ordered=False, session=self._database.session).modified_count
            except (DuplicateKeyError, BulkWriteError) as error:
                raise _in_doubt(error) or self._taken(error) from error

    def _remove(self, ids: Sequence[str]) -> int:
        self._database.count_written(len(ids))
        if is_fenced() and not self._in_transaction():
            return self._database.transact(lambda: self._remove(ids))
        query = {"_id": {"$in": list(ids)}, "tenant": context.current().tenant}
        return self.raw.delete_many(query, session=self._database.session).deleted_count

    def _forget_notes(self, id: str, notes: Sequence[Mapping[str, Any]]) -> None:
        gone = {NOTES: {"key": {"$in": [each["key"] for each in notes]}}}
        one = {"_id": id, "tenant": context.current().tenant}
        self.raw.update_one(one, {"$pull": gone}, session=self._database.session)

    def _transact(self, work: Callable[[], R]) -> R:
        return self._database.transact(work)

    def _in_transaction(self) -> bool:
        return self._database.session is not None

    def _taken(self, error: DuplicateKeyError | BulkWriteError) -> Exception:
        """AlreadyExists for a statement that ran into a unique index. Anything else unchanged."""
        failures = _failures(error)
        name = _index_name(failures[0]) if failures else ""
        if name == UNIQUE.name and not self._in_transaction():
            return DuplicateKey(name)
        index = self.indexes.get(name)
        return error if index is None else KeyTaken.of(self.name, index)

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            metrics.STORE_SECONDS.labels(self.name, operation).observe(time.perf_counter() - start)


@contextmanager
def _unless(code: int) -> Iterator[None]:
    """Passes over the one failure that says that somebody else did the same at the same time."""
    try:
        yield
    except OperationFailure as failure:
        if failure.code != code:
            raise


def _statement(write: Write, tenant: str) -> tuple[Document, Document]:
    """(guard, update) of one write."""
    statement: Document = {"$set": dict(write.set)}
    push: Document = {}
    if write.pending:
        push["_pending"] = {"$each": list(write.pending)}
        statement["$min"] = {"_pending_since": write.pending_since}
    if write.note is not None:
        push[NOTES] = dict(write.note)
    if push:
        statement["$push"] = push
    return {"_id": write.id, "tenant": tenant, "revision": write.seen}, statement


def _failures(error: DuplicateKeyError | BulkWriteError) -> list[Document]:
    details: Document = dict(error.details or {})
    return details.get("writeErrors") or [details]


def _in_doubt(error: DuplicateKeyError | BulkWriteError) -> WTimeoutError | None:
    """The failure of a bulk write beside duplicates, when a majority has not confirmed the documents it did write."""
    concerns = dict(error.details or {}).get("writeConcernErrors")
    if not concerns:
        return None
    return WTimeoutError(concerns[0].get("errmsg", "not written to a majority"), concerns[0].get("code"), concerns[0])


def _is_duplicate_id(error: PyMongoError) -> bool:
    """True when another worker inserted the same document meanwhile."""
    return isinstance(error, DuplicateKeyError | BulkWriteError) and all(
        failure.get("code") == _DUPLICATE_KEY for failure in _failures(error)
    )


def _index_name(failure: Document) -> str:
    """The index in a duplicate-key failure, which the server names in its message only."""
    found = failure.get("errmsg", "").partition(" index: ")[2].split(" ", 1)[0]
    return "" if found == "_id_" else found
