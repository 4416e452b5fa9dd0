"""The worker as a process, on nameko: it starts, works, survives its own death anywhere, and ends in good order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.chassis import identity
from libs.chassis.bus import close, connect
from libs.chassis.context import Context, enter
from libs.chassis.crash import POINTS
from libs.chassis.inbox.parked import DeadQueue
from libs.chassis.store import MongoDatabase
from libs.chassis.store import connect as connect_store
from libs.localstack.processes import HOST, Process, answers, free_port
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore
from tests.support.loops import eventually

QUEUES = ("ledger.tallies.0", "ledger.tallies.1", "ledger.tallies.dead", "ledger.journal.0", "ledger.journal.dead")


class Ledger:
    """The service `ledger` in its own database and queues, which only these tests use."""

    def __init__(self, folder: Path, mongodb_uri: str, amqp_uri: str) -> None:
        self.folder = folder
        self.environment = {"KEHU_MONGODB_URI": mongodb_uri, "KEHU_AMQP_URI": amqp_uri}
        self.amqp_uri = amqp_uri
        self.client = connect_store(mongodb_uri, "ledger")
        self.database = MongoDatabase(self.client, "ledger", page_key=bytes(32))
        self.store = LedgerStore(self.database)
        self.workers: list[Process] = []

    def run(self, role: str) -> subprocess.CompletedProcess[str]:
        """One role that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "tests.support.ledger_service", role],
            env={**_clean(), **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def worker(self, **environment: str) -> Process:
        """A worker; `admin` of it is the port of its probes."""
        process = Process(self.folder, f"worker-{len(self.workers)}")
        port = free_port()
        process.admin = f"http://{HOST}:{port}"  # type: ignore[attr-defined]
        settings = {**self.environment, "KEHU_ADMIN_LISTEN": f"{HOST}:{port}", **environment}
        process.start([sys.executable, "-m", "tests.support.ledger_service", "worker"], settings)
        self.workers.append(process)
        return process

    def ready(self, process: Process) -> Process:
        """Waits until a worker says it is ready."""
        process.wait_until(lambda: answers(f"{process.admin}/readyz"), 20)  # type: ignore[attr-defined]
        return process

    def open(self, *names: str) -> list[str]:
        """Opens accounts."""
        with enter(Context(tenant="acme", actor="tester")):
            accounts = [Account(id=identity.new_id("acc"), name=name) for name in names]
            return [self.store.accounts.insert(account.opened()).id for account in accounts]

    def counts(self) -> dict[str, int]:
        """Account id → effects of its events."""
        return {t["_id"].replace("tal_", "acc_"): t["count"] for t in self.database.raw["tallies"].find()}

    def dead(self) -> DeadQueue:
        """What was parked."""
        return DeadQueue(self.database, "tallies", lambda: self.amqp_uri, actor="operator")


@pytest.fixture
def ledger(tmp_path: Path, mongodb_uri: str, amqp_uri: str) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path, mongodb_uri, amqp_uri)
    migrated = ledger.run("migrate")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    yield ledger
    for worker in ledger.workers:
        worker.kill(signal.SIGKILL)
    connection = connect(amqp_uri, name="test")
    channel = connection.channel()
    for queue in QUEUES:
        channel.queue_delete(queue)
    close(connection)
    ledger.client.drop_database("ledger")
    ledger.client.close()


def test_migrate_is_repeatable_and_check_finds_what_is_missing(ledger: Ledger) -> None:
    assert ledger.run("migrate").returncode == 0
    found = ledger.run("check")
    assert (found.returncode, found.stderr) == (0, "")
    ledger.database.raw["accounts"].drop_index("pending")
    connection = connect(ledger.amqp_uri, name="test")
    connection.channel().queue_delete("ledger.tallies.1")
    close(connection)
    found = ledger.run("check")
    assert found.returncode == 1
    assert "accounts.pending" in found.stdout
    assert "ledger.tallies.1 is missing" in " ".join(found.stdout.split())
    assert ledger.run("nonsense").returncode == 2


def test_a_worker_refuses_to_start_before_migrate(ledger: Ledger) -> None:
    ledger.database.raw["meta"].drop()
    ended = ledger.run("worker")
    assert ended.returncode == 2
    assert "kehu ledger migrate" in ended.stderr


def test_a_worker_publishes_reacts_keeps_the_journal_and_stops_in_good_order(ledger: Ledger) -> None:
    worker = ledger.ready(ledger.worker())
    ids = ledger.open(*(f"name {n}" for n in range(20)))
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))
    eventually(lambda: ledger.database.raw["journal"].count_documents({}) == 20)
    assert answers(f"{worker.admin}/livez")  # type: ignore[attr-defined]
    metrics = _get(f"{worker.admin}/metrics")  # type: ignore[attr-defined]
    assert 'kehu_inbox_events_total{outcome="applied",subscription="tallies"} 20.0' in metrics
    assert "kehu_outbox_published_total 20.0" in metrics
    assert _end(worker) == 0


def test_stopping_finishes_a_slow_handler_and_nothing_is_delivered_again(ledger: Ledger) -> None:
    worker = ledger.ready(ledger.worker())
    [id] = ledger.open("slow")
    eventually(lambda: not ledger.database.raw["accounts"].count_documents({"_pending_since": {"$exists": True}}))
    time.sleep(0.5)
    assert _end(worker) == 0
    assert ledger.counts() == {id: 1}
    second = ledger.ready(ledger.worker())
    time.sleep(1)
    assert 'kehu_inbox_duplicates_total{' not in _get(f"{second.admin}/metrics")  # type: ignore[attr-defined]


@pytest.mark.parametrize("point", POINTS)
def test_death_at_any_point_loses_nothing_and_doubles_nothing(ledger: Ledger, point: str) -> None:
    ids = ledger.open(*(f"name {n}" for n in range(10)))
    [bad] = ledger.open("permanent")
    worker = ledger.worker(KEHU_CRASH_AT=point)
    worker_died(worker)
    ledger.database.raw["leases"].update_one({"_id": "relay"}, {"$set": {"owner": ""}, "$currentDate": {"until": True}})
    ledger.worker()
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))
    eventually(lambda: [parked.id for parked in ledger.dead().list()][:1] == [f"{bad}:1:0"])
    eventually(lambda: ledger.database.raw["journal"].count_documents({}) == 11)
    eventually(lambda: not ledger.database.raw["accounts"].count_documents({"_pending_since": {"$exists": True}}))
    assert {parked.id for parked in ledger.dead().list()} == {f"{bad}:1:0"}
    assert ledger.counts() == dict.fromkeys(ids, 1)


def test_an_event_that_kills_the_process_is_parked_and_its_neighbours_pass(ledger: Ledger) -> None:
    ids = ledger.open(*(f"name {n}" for n in range(20)))
    [bad] = ledger.open("deadly")
    ids += ledger.open(*(f"name {n}" for n in range(20, 40)))
    for _ in range(15):
        worker = ledger.worker()
        eventually(lambda: not worker.alive or ledger.dead().list(), 30)  # noqa: B023
        if worker.alive:
            break
    [parked] = ledger.dead().list()
    assert parked.id == f"{bad}:1:0"
    assert "died" in parked.reason
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))


def test_a_container_that_dies_takes_the_process_along(ledger: Ledger) -> None:
    worker = ledger.ready(ledger.worker(KEHU_TEST_BREAK="start"))
    begun = time.monotonic()
    worker_died(worker)
    assert time.monotonic() - begun < 5


def worker_died(worker: Process) -> None:
    """Returns when the process has ended by itself."""
    eventually(lambda: not worker.alive, 20)


def _end(worker: Process) -> int:
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KEHU_")}
