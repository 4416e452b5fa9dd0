"""F26: what happens to acknowledged writes when one member alone may acknowledge them, and then dies.

Small documents would survive in the buffers of sockets, and so would what can be compressed on its way: these are large
and random.
"""

from __future__ import annotations

import secrets
import signal
import threading
import time
import uuid
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from libs.chassis import identity
from libs.chassis.context import Context, enter
from libs.chassis.store import Contention
from libs.engine.store import MongoDatabase
from tests.chaos.lab import Lab
from tests.chaos.ledger import Ack, Ledger
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore

WRITERS = 8
BYTES = 50_000
FROZEN_FOR = 2.0
"""Seconds in which the primary is alone, shorter than it would take to notice that."""


def write_while_the_primary_dies(lab: Lab, ledger: Ledger, acknowledged_by: str | int) -> dict[str, int]:
    """Writes, freezes the secondaries, kills the primary, mends everything. Returns id → revision of the rest."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        lab.mongodb_uri, w=acknowledged_by, journal=acknowledged_by == "majority", tz_aware=True, socketTimeoutMS=5000
    )
    name = f"weak_{uuid.uuid4().hex[:6]}"
    database = MongoDatabase(client, "ledger", page_key=bytes(32), name=name)
    store, stop = LedgerStore(database), threading.Event()
    writers = [threading.Thread(target=_write, args=(store, ledger, stop)) for _ in range(WRITERS)]
    try:
        for writer in writers:
            writer.start()
        time.sleep(1)
        primary = lab.replica_set.wait_for_primary()
        others = [node for node in lab.replica_set.nodes if node is not primary]
        for node in others:
            node.process.kill(signal.SIGSTOP)
        time.sleep(FROZEN_FOR)
        primary.process.kill()
        stop.set()
        for node in others:
            node.process.kill(signal.SIGCONT)
        for writer in writers:
            writer.join()
        lab.replica_set.wait_for_primary()  # one of the others: the dead one still has what it acknowledged
        lab.heal()
        return {each["_id"]: each["revision"] for each in database.raw["accounts"].find({}, {"revision": 1})}
    finally:
        stop.set()
        client.drop_database(name)
        client.close()


def _write(store: LedgerStore, ledger: Ledger, stop: threading.Event) -> None:
    with enter(Context(tenant="acme", actor="chaos")):
        while not stop.is_set():
            account = Account(id=identity.new_id("acc"), name=secrets.token_hex(BYTES // 2))
            ledger.intend(account.id, "create")
            try:
                saved = store.accounts.insert(account.open())
            except (PyMongoError, Contention):
                continue  # not acknowledged, so nothing was promised
            ledger.acknowledge(Ack(account.id, "create", saved.id, saved.revision))
