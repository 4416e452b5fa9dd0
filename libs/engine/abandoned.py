"""Ends the transactions that a dead process left open.

A client that is killed does not end its transaction: MongoDB keeps it, with its locks, for a minute
(`transactionLifetimeLimitSeconds`), and whoever needs the same documents waits as long. Whoever meets such a lock calls
this.
"""

from __future__ import annotations

from typing import Any, Final

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from libs.engine import logs

IDLE_FOR: Final = 3.0
"""Seconds without a statement after which a transaction counts as abandoned. Ours never wait for anything but the
database; to end one of a living process would only make it start again."""

log = logs.get(__name__)


def end_abandoned_transactions(client: MongoClient[dict[str, Any]]) -> int:
    """Ends those of this service and this user, and returns their number."""
    admin = client.get_database("admin", read_concern=ReadConcern("local"))  # `$currentOp` takes no other
    idle = {
        "type": "idleSession",
        "appName": client.options.pool_options.appname,
        "transaction.timeInactiveMicros": {"$gt": int(IDLE_FOR * 1_000_000)},
    }
    with admin.aggregate([{"$currentOp": {"idleSessions": True}}, {"$match": idle}]) as found:
        sessions = [{"id": each["lsid"]["id"]} for each in found]
    if sessions:
        admin.command("killSessions", sessions)
        log.warning("ended abandoned transactions", count=len(sessions))
    return len(sessions)
