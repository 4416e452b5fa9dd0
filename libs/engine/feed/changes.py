"""Changes in the order of their commits, read from MongoDB's change stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import OperationFailure, PyMongoError

from libs.chassis.domain import Entity, FailedPrecondition
from libs.engine import logs, metrics
from libs.engine.store import MongoDatabase

_AWAIT: Final = 500
"""Milliseconds that the server waits for a change before it answers that there is none."""
_UNUSABLE: Final = frozenset({9, 260, 280, 286, 40647, 40649, 50811, 50795})
"""Answers of the server to a resume token that it cannot go on from: too old, or none of its own."""

log = logs.get(__name__)


class CursorTooOld(FailedPrecondition):
    """The cursor is too old to go on from (code {code}): list what there is, then watch without a cursor."""

    code: int


@dataclass(frozen=True, slots=True)
class Subject:
    """The entities of a tenant that name the same key, for example a customer, as watchers watch them."""

    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A new or changed entity, as it was after the change."""

    cursor: str
    """Its place in the order of all changes. Later ones compare greater. Not for callers: it names entities of all
    tenants."""
    subject: Subject
    entity: Entity


class Reader(Protocol):
    """Reads changes one after the other."""

    @property
    def cursor(self) -> str:
        """Every change up to here was read."""

    def read(self) -> Changed | None:
        """The next change, or None when there was nothing to tell for a moment.

        CursorTooOld when nothing can follow here any more.
        """

    def close(self) -> None:
        """Ends reading."""


class Changes(Protocol):
    """A source of changes."""

    def after(self, cursor: str, only: Sequence[Subject] = ()) -> Reader:
        """A reader of what comes after a cursor, or after now when it is empty.

        CursorTooOld when the cursor is too old to go on from.
        """


class MongoChanges:
    """The changes of a database, of the collections that are told."""

    def __init__(self, database: MongoDatabase, told: Mapping[str, str]) -> None:
        self._database = database
        self._told = dict(told)
        """Collection → the field that names the subject."""

    def after(self, cursor: str, only: Sequence[Subject] = ()) -> Reader:
        """See `Changes.after`."""
        resume = {"_data": cursor} if cursor else None
        try:
            stream = self._database.raw.watch(
                self._pipeline(only), full_document="updateLookup", resume_after=resume, max_await_time_ms=_AWAIT
            )
        except OperationFailure as error:
            raise _refusal(error) from error
        return _MongoReader(self._database, self._told, stream)

    def _pipeline(self, only: Sequence[Subject]) -> list[dict[str, Any]]:
        match: dict[str, Any] = {
            "ns.coll": {"$in": list(self._told)},
            # The relay clears published events; that is no change of the entity.
            "$or": [{"operationType": "insert"}, {"updateDescription.updatedFields.revision": {"$exists": True}}],
        }
        if only:  # All of one tenant.
            keys = {"$in": [subject.key for subject in only]}
            match["fullDocument.tenant"] = only[0].tenant
            match["$and"] = [{"$or": [{f"fullDocument.{path}": keys} for path in sorted({*self._told.values()})]}]
        kept = {"ns": 1, "fullDocument": 1, "updateDescription.updatedFields.revision": 1}
        return [{"$match": match}, {"$project": kept}, {"$unset": ["fullDocument._pending", "fullDocument._commands"]}]


class _MongoReader:
    def __init__(
        self, database: MongoDatabase, told: Mapping[str, str], stream: DatabaseChangeStream[dict[str, Any]]
    ) -> None:
        self._database, self._told, self._stream = database, told, stream

    @property
    def cursor(self) -> str:
        token = self._stream.resume_token
        return str(token["_data"]) if token is not None else ""

    def read(self) -> Changed | None:
        try:
            change = self._stream.try_next()
        except OperationFailure as error:
            raise _refusal(error) from error
        if change is None:
            if not self._stream.alive:  # invalidated, or its client was closed: it would answer None at once, for ever
                raise CursorTooOld(code=0)
            return None
        try:
            return self._changed(change)
        except PyMongoError:
            raise
        except Exception as error:  # noqa: BLE001  (one document that cannot be read does not keep others from being told)
            log.warning("a change cannot be told", collection=change["ns"]["coll"], error=type(error).__name__)
            metrics.FEED_UNREADABLE.labels(change["ns"]["coll"]).inc()
            return None

    def close(self) -> None:
        self._stream.close()

    def _changed(self, change: Mapping[str, Any]) -> Changed | None:
        document = change.get("fullDocument")
        changed = change.get("updateDescription", {}).get("updatedFields", {})
        # The server looks the document up when it tells of an update. When that shows a later revision, the later
        # change is still to come and would tell the same again.
        if document is None or changed.get("revision", document["revision"]) != document["revision"]:
            return None
        collection = change["ns"]["coll"]
        subject = Subject(document["tenant"], document.get(self._told[collection], ""))
        return Changed(change["_id"]["_data"], subject, self._database.collections[collection].read(document))


def _refusal(error: OperationFailure) -> Exception:
    return CursorTooOld(code=error.code or 0) if error.code in _UNUSABLE else error
