"""What changes, in the order in which it is committed: interactions and promises, read from MongoDB's change stream."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import OperationFailure

from libs.chassis import identity
from libs.chassis.domain import FailedPrecondition, InvalidArgument
from libs.chassis.store import MongoDatabase
from services.interactions.promises.domain import Promise
from services.interactions.timeline.domain import Interaction

TOLD: Final = ("interactions", "promises")
"""The collections whose changes are told."""

_AWAIT: Final = 500
"""Milliseconds that the server waits for news before it answers that there are none."""
_CURSOR: Final = re.compile(r"82([0-9A-F]{8})[0-9A-F]{4,1000}")
"""A resume token: its first part is the time of the change, in seconds, so tokens sort as the changes do."""
_TOO_OLD: Final = "the cursor is too old to go on from: list the timeline, then watch without a cursor"
_UNUSABLE: Final = frozenset({9, 260, 280, 286, 40647, 40649, 50811, 50795})
"""What the server answers to a resume token that it cannot go on from: too old, or none of its own."""


@dataclass(frozen=True, slots=True)
class Party:
    """Whose changes are told: a customer of a tenant."""

    tenant: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A new or changed interaction or promise, as it was after the change."""

    cursor: str
    """Its place in the order of all changes; later ones compare greater."""
    party: Party
    entity: Interaction | Promise


class Reader(Protocol):
    """Reads changes one after the other."""

    @property
    def cursor(self) -> str:
        """Every change up to here was read."""

    def read(self) -> Changed | None:
        """The next change, or None when there was nothing to tell for a moment.

        FailedPrecondition when nothing can follow here any more.
        """

    def close(self) -> None:
        """Ends reading."""


class Changes(Protocol):
    """Where changes are read from."""

    def check(self, cursor: str) -> None:
        """InvalidArgument when this is no cursor of ours."""

    def after(self, cursor: str, only: Sequence[Party] = ()) -> Reader:
        """A reader of what comes after a cursor, or after now when it is empty.

        FailedPrecondition when the cursor is too old to go on from.
        """


class MongoChanges:
    """The changes of a database."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    def check(self, cursor: str) -> None:
        found = _CURSOR.fullmatch(cursor)
        if found is None or int(found.group(1), 16) > identity.now().timestamp() + 60:
            raise InvalidArgument.field(
                "cursor", "is none of ours; give the last cursor received, or nothing to begin now"
            )

    def after(self, cursor: str, only: Sequence[Party] = ()) -> Reader:
        resume = {"_data": cursor} if cursor else None
        try:
            stream = self._database.raw.watch(
                _pipeline(only), full_document="updateLookup", resume_after=resume, max_await_time_ms=_AWAIT
            )
        except OperationFailure as error:
            raise _refusal(error) from error
        return _MongoReader(self._database, stream)


class _MongoReader:
    def __init__(self, database: MongoDatabase, stream: DatabaseChangeStream[dict[str, Any]]) -> None:
        self._database, self._stream = database, stream

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
                raise FailedPrecondition(_TOO_OLD)
            return None
        document = change.get("fullDocument")
        changed = change.get("updateDescription", {}).get("updatedFields", {})
        # The server looks the document up when it tells of an update. When that shows a later revision, the later
        # change is still to come and would tell the same again.
        if document is None or changed.get("revision", document["revision"]) != document["revision"]:
            return None
        entity = self._database.collections[change["ns"]["coll"]].read(document)
        return Changed(change["_id"]["_data"], Party(document["tenant"], entity.customer_id), entity)

    def close(self) -> None:
        self._stream.close()


def _pipeline(only: Sequence[Party]) -> list[dict[str, Any]]:
    match: dict[str, Any] = {
        "ns.coll": {"$in": list(TOLD)},
        # The relay clears published events; that is no change of the entity.
        "$or": [{"operationType": "insert"}, {"updateDescription.updatedFields.revision": {"$exists": True}}],
    }
    if only:  # All of one tenant.
        match |= {
            "fullDocument.tenant": only[0].tenant,
            "fullDocument.customer_id": {"$in": [party.customer_id for party in only]},
        }
    kept = {"ns": 1, "fullDocument": 1, "updateDescription.updatedFields.revision": 1}
    return [{"$match": match}, {"$project": kept}, {"$unset": ["fullDocument._pending", "fullDocument._commands"]}]


def _refusal(error: OperationFailure) -> Exception:
    if error.code not in _UNUSABLE:
        return error
    return FailedPrecondition(_TOO_OLD)
