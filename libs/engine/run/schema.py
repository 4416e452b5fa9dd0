"""The version of what is stored: `migrate` raises it, and every process asks whether its code can work with it.

Migrations only add, so releases may be rolled out and back in any order: a process waits, alive and not ready, until
its database is at its schema, and goes on with a newer one. A release that stores what earlier code cannot read raises
`READABLE_FROM`, which makes the processes of that code stop working at once.
"""

from __future__ import annotations

import time
from typing import Any, Final

from pymongo.errors import PyMongoError

from libs.chassis import identity
from libs.engine import logs, metrics
from libs.engine.store import MongoDatabase
from libs.engine.store.mongo import STANDALONE, replicated
from libs.engine.store.revisions import next_epoch

SCHEMA: Final = 1
"""Version of what this code stores. Raised by a release whose code relies on what only its `migrate` makes. Missing
indexes are noticed by themselves."""
READABLE_FROM: Final = 1
"""The oldest code, by its `SCHEMA`, that can work with what this code stores."""
LOOK_AT_INDEXES_EVERY: Final = 30.0
"""Seconds between two looks at the indexes once they were right: dozens of collections are too many for each look."""
META: Final = "meta"
_ID: Final = "schema"

log = logs.get(__name__)


class Gate:
    """The permission of this code to work on its database."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._next_thorough_look = 0.0
        self.problem: str | None = "has not seen its database yet"
        """Reason against it in one sentence, or None, as the last look found."""
        metrics.SCHEMA_VERSION.labels("code").set(SCHEMA)

    def look(self) -> bool:
        """Asks the database. True when the work may go on. PyMongoError when it does not answer."""
        found = learn(self._database)
        metrics.SCHEMA_VERSION.labels("stored").set(found.get("version", 0))
        # Server and indexes are looked at until they are right, then now and then: somebody may drop an index.
        thorough = self.problem is not None or time.monotonic() >= self._next_thorough_look
        wrong, advice = _judge(self._database, found, thorough=thorough)
        problem = f"{wrong}: {advice}" if wrong else None
        if thorough:
            self._next_thorough_look = time.monotonic() + LOOK_AT_INDEXES_EVERY
        if problem != self.problem:
            log.info("may not work" if problem else "may work", reason=problem or "", schema=SCHEMA)
        self.problem = problem
        return problem is None

    def try_to_look(self) -> bool:
        """The same, for one who would only ask again: no when the database does not answer."""
        try:
            return self.look()
        except PyMongoError as error:
            log.warning("the database does not answer", error=f"{type(error).__name__}: {error}")
            return False


def trouble(database: MongoDatabase) -> tuple[str, str]:
    """(what keeps this code from working on the database, what to do about it). Two empty texts when nothing does."""
    wrong, advice = _judge(database, _stored(database), thorough=True)
    if not wrong and (problems := database.index_problems(thorough=True)):
        return f"indexes: {', '.join(problems)}", _migrate(database)
    return wrong, advice


def too_old(database: MongoDatabase) -> str:
    """Reason why this code must not even migrate the database, or nothing."""
    found = _stored(database)
    return _judge(database, found, thorough=False)[0] if found.get("readable_from", 0) > SCHEMA else ""


def learn(database: MongoDatabase) -> dict[str, Any]:
    """The stored facts about the schema. Their epoch becomes that of the revisions that this process gives."""
    found = _stored(database)
    database.vault.revisions.epoch = found.get("epoch", 0)
    return found


def begin_epoch(database: MongoDatabase) -> int:
    """Makes revisions of a database that came back from a backup higher than any before. Returns the new epoch."""
    epoch = next_epoch(_stored(database).get("epoch", 0), identity.now())
    database.raw[META].update_one({"_id": _ID}, {"$set": {"epoch": epoch}}, upsert=True)
    return epoch


def record(database: MongoDatabase) -> None:
    """Tells everybody that the database is at the schema of this code. A newer one stays as it is."""
    database.raw[META].update_one(
        {"_id": _ID},
        {"$max": {"version": SCHEMA, "readable_from": READABLE_FROM}, "$set": {"at": identity.now()}},
        upsert=True,
    )


def _stored(database: MongoDatabase) -> dict[str, Any]:
    return database.raw[META].find_one({"_id": _ID}) or {}


def _judge(database: MongoDatabase, found: dict[str, Any], *, thorough: bool) -> tuple[str, str]:
    if thorough and not replicated(database.client):
        return STANDALONE
    version, needed = found.get("version", 0), found.get("readable_from", 0)
    if version < SCHEMA:
        return f"the database is at schema {version}, this code needs {SCHEMA}", _migrate(database)
    if needed > SCHEMA:
        wrong = f"the database is at schema {version}, which needs code of schema {needed}; this code has {SCHEMA}"
        return wrong, "install a newer release"
    if problems := database.index_problems() if thorough else []:
        return f"indexes: {', '.join(problems)}", _migrate(database)
    return "", ""


def _migrate(database: MongoDatabase) -> str:
    return f"run `kehu {database.service} migrate`"
