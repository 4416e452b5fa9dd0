"""The worker as a process, on nameko: it starts, works, survives its own death anywhere, and ends in good order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest

from libs.chassis import identity
from libs.chassis.bus import close, connect
from libs.chassis.context import Context, enter
from libs.chassis.inbox.parked import DeadQueue
from libs.chassis.store import MongoDatabase
from libs.chassis.store import connect as connect_store
from libs.localstack.processes import HOST, answers, free_port
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore
from tests.support.loops import eventually

QUEUES = ("ledger.tallies.0", "ledger.tallies.1", "ledger.tallies.dead", "ledger.journal.0", "ledger.journal.dead")


class Worker:
    """One worker process."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        address = f"{HOST}:{free_port()}"
        self.admin = f"http://{address}"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.ledger_service", "worker"],
                env={**_clean(), **environment, "KEHU_ADMIN_LISTEN": address},
                stdout=output,
                stderr=output,
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ready(self) -> Worker:
        """Waits until it says that it is ready."""
        eventually(lambda: answers(f"{self.admin}/readyz"))
        return self

    def metrics(self) -> str:
        """What /metrics says."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def terminate(self) -> int:
        """Asks it to end; its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def died(self) -> int:
        """Waits until it has ended by itself; its exit code."""
        return self.process.wait(20)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        self.process.kill()
        self.process.wait(5)


class Ledger:
    """The service `ledger` in its own database and queues, which only these tests use."""

    def __init__(self, folder: Path, mongodb_uri: str, amqp_uri: str) -> None:
        self.folder = folder
        self.environment = {"KEHU_MONGODB_URI": mongodb_uri, "KEHU_AMQP_URI": amqp_uri}
        self.amqp_uri = amqp_uri
        self.client = connect_store(mongodb_uri, "ledger")
        self.database = MongoDatabase(self.client, "ledger", page_key=bytes(32))
        self.store = LedgerStore(self.database)
        self.workers: list[Worker] = []

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

    def worker(self, **environment: str) -> Worker:
        """Starts a worker."""
        self.workers.append(Worker(self.folder / f"worker-{len(self.workers)}.log", self.environment | environment))
        return self.workers[-1]

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
        worker.kill()
    connection = connect(amqp_uri, name="test")
    channel = connection.channel()
    for queue in QUEUES:
        channel.queue_delete(queue)
    close(connection)
    with pymongo.MongoClient(mongodb_uri) as client:
        # Dropping waits for what a killed worker left open.
        client.admin.command("killAllSessionsByPattern", [])
        client.drop_database("ledger")
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
    worker = ledger.worker().ready()
    ids = ledger.open(*(f"name {n}" for n in range(20)))
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))
    eventually(lambda: ledger.database.raw["journal"].count_documents({}) == 20)
    assert answers(f"{worker.admin}/livez")
    metrics = worker.metrics()
    assert 'kehu_inbox_events_total{outcome="applied",subscription="tallies"} 20.0' in metrics
    assert "kehu_outbox_published_total 20.0" in metrics
    assert worker.terminate() == 0


def test_stopping_finishes_a_slow_handler_and_nothing_is_delivered_again(ledger: Ledger) -> None:
    worker = ledger.worker().ready()
    [id] = ledger.open("slow")
    eventually(lambda: not ledger.database.raw["accounts"].count_documents({"_pending_since": {"$exists": True}}))
    time.sleep(0.5)
    assert worker.terminate() == 0
    assert ledger.counts() == {id: 1}
    second = ledger.worker().ready()
    time.sleep(1)
    assert "kehu_inbox_duplicates_total{" not in second.metrics()


@pytest.mark.parametrize(
    "point", ["relay.after_publish", "inbox.before_commit", "inbox.after_commit", "inbox.after_park"]
)
def test_death_between_two_steps_loses_nothing_and_doubles_nothing(ledger: Ledger, point: str) -> None:
    ids = ledger.open(*(f"name {n}" for n in range(10)))
    [bad] = ledger.open("permanent")
    assert ledger.worker(KEHU_CRASH_AT=point).died() == 9
    ledger.database.raw["leases"].delete_many({})  # so that the test need not wait for its end
    ledger.worker()
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))
    eventually(lambda: [parked.id for parked in ledger.dead().list()][:1] == [f"{bad}:1:0"])
    eventually(lambda: ledger.database.raw["journal"].count_documents({}) == 11)
    eventually(lambda: not ledger.database.raw["accounts"].count_documents({"_pending_since": {"$exists": True}}))
    assert {parked.id for parked in ledger.dead().list()} == {f"{bad}:1:0"}
    assert ledger.counts() == dict.fromkeys(ids, 1)


def test_a_container_that_dies_takes_the_process_along(ledger: Ledger) -> None:
    broken = ledger.folder / "amqp"
    broken.write_text("http://not-a-broker")
    begun = time.monotonic()
    assert ledger.worker(KEHU_AMQP_URI=f"file:{broken}").died() == 3
    assert time.monotonic() - begun < 5


def test_a_database_that_does_not_answer_ends_the_start_with_a_code_that_says_so(ledger: Ledger) -> None:
    nobody = f"mongodb://{HOST}:{free_port()}/?replicaSet=kehu"
    assert ledger.worker(KEHU_MONGODB_URI=nobody).died() == 75


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KEHU_")}
