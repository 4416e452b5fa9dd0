"""The service `ledger` as real processes, with a database and queues that only one run of tests uses."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from libs.chassis import identity
from libs.chassis.context import Context, enter
from libs.engine import access
from libs.engine.bus import close, connect
from libs.engine.inbox.parked import DeadQueue
from libs.engine.store import MongoDatabase
from libs.engine.store import connect as connect_store
from libs.localstack.processes import HOST, answers, free_port
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore
from tests.support.patience import eventually

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

    def says(self, path: str) -> tuple[int, str]:
        """Status and text of a probe; (0, "") when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.admin}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def terminate(self) -> int:
        """Asks it to end. Its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def died(self) -> int:
        """Waits until it has ended by itself. Its exit code."""
        return self.process.wait(20)

    def kill(self) -> None:
        """Ends it at once, if it runs."""
        self.process.kill()
        self.process.wait(5)


class Ledger:
    """The service `ledger` in its own database and queues, which only these tests use."""

    def __init__(self, folder: Path, mongodb_uri: str, amqp_uri: str) -> None:
        self.folder = folder
        access.make_keys(folder / "keys")
        self.environment = {
            "KEHU_MONGODB_URI": mongodb_uri,
            "KEHU_AMQP_URI": amqp_uri,
            "KEHU_TOKEN_KEYS": str(folder / "keys"),
        }
        self.amqp_uri = amqp_uri
        self.client = connect_store(mongodb_uri, "ledger")
        seal_key = bytes.fromhex((folder / "keys" / access.SEAL_KEY).read_text())
        self.database = MongoDatabase(self.client, "ledger", page_key=bytes(32), seal_key=seal_key)
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

    def prepare(self) -> None:
        """Makes indexes and queues, and empties the queues."""
        migrated = self.run("migrate")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        connection = connect(self.amqp_uri, name="test")
        channel = connection.channel()
        for queue in QUEUES:
            channel.queue_purge(queue)
        close(connection)

    def clear(self) -> None:
        """Ends what runs and forgets every document, also those that a killed worker holds."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        self.client.admin.command("killAllSessionsByPattern", [])
        for name in self.database.raw.list_collection_names():
            self.database.raw[name].delete_many({})

    def remove(self) -> None:
        """Ends what runs and removes database and queues."""
        self.clear()
        connection = connect(self.amqp_uri, name="test")
        channel = connection.channel()
        for queue in QUEUES:
            channel.queue_delete(queue)
        close(connection)
        self.client.drop_database("ledger")
        self.client.close()

    def open(self, *names: str) -> list[str]:
        """Opens accounts."""
        with enter(Context(tenant="acme", actor="tester")):
            accounts = [Account(id=identity.new_id("acc"), name=name) for name in names]
            return [self.store.accounts.insert(account.open()).id for account in accounts]

    def counts(self) -> dict[str, int]:
        """Account id → effects of its events."""
        return {t["_id"].replace("tal_", "acc_"): t["count"] for t in self.database.raw["tallies"].find()}

    def dead(self) -> DeadQueue:
        """What was parked."""
        return DeadQueue(self.database, "tallies", lambda: self.amqp_uri, actor="operator")


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KEHU_")}
