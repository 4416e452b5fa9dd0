"""A rolling restart under load, as a cluster does it: new processes at new addresses, the old ones asked to go."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from libs.client import Client, KehuError
from libs.client.errors import NotFound, Unavailable
from libs.client.retry import Retry
from libs.engine import access
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import Process, answers, free_port
from tests.support.names import NameServer
from tests.support.patience import eventually
from tests.support.stack import KEHU

SLOW = 1.0
"""Seconds that the database takes to find something."""
DRAIN = 2
NEVER_AGAIN = Retry(attempts=1)
"""What fails once has failed: no retry hides it."""


@pytest.fixture
def slow_store(stack_folder: Path) -> Iterator[ReplicaSet]:
    """A replica set of its own that may be told to be slow."""
    store = ReplicaSet(stack_folder / "rolling", options=["--setParameter=enableTestCommands=1"])
    store.start()
    yield store
    store.stop()


class Pods:
    """Processes `kehu profiles api`, each at an address of its own, all on the same port."""

    def __init__(self, folder: Path, mongodb_uri: str, amqp_uri: str) -> None:
        self.keys = folder / "keys"
        access.make_keys(self.keys)
        self.port = free_port()
        self._folder = folder
        self._environment = {
            "KEHU_MONGODB_URI": mongodb_uri,
            "KEHU_AMQP_URI": amqp_uri,
            "KEHU_TOKEN_KEYS": str(self.keys),
            "KEHU_DRAIN_SECONDS": str(DRAIN),
            "KEHU_THREADS": "32",  # one process alone must be able to take all calls, as slow as they are
        }
        self._started = 0
        self.running: dict[str, Process] = {}

    def migrate(self) -> None:
        """Prepares the database."""
        subprocess.run([KEHU, "profiles", "migrate"], env=self._environment, check=True, capture_output=True)

    def start(self) -> str:
        """Starts one more and returns its address when it is ready."""
        address = self.launch()
        self.running[address].wait_until(lambda: answers(self.probe(address, "readyz")), 60)
        return address

    def launch(self) -> str:
        """Starts one more and returns its address at once."""
        self._started += 1
        address = f"127.0.0.{1 + self._started}"
        process = Process(self._folder, f"pod-{self._started}")
        listens = {"KEHU_LISTEN": f"{address}:{self.port}", "KEHU_ADMIN_LISTEN": f"{address}:{self.port + 1}"}
        process.start([KEHU, "profiles", "api"], self._environment | listens)
        self.running[address] = process
        return address

    def probe(self, address: str, path: str) -> str:
        """The URL of a probe."""
        return f"http://{address}:{self.port + 1}/{path}"

    def ask_to_go(self, address: str) -> Process:
        """Sends SIGTERM."""
        process = self.running.pop(address)
        process.kill(signal.SIGTERM)
        return process

    def calls(self, address: str) -> float:
        """How many calls one of them has answered."""
        with urllib.request.urlopen(self.probe(address, "metrics"), timeout=5) as metrics:
            lines = metrics.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("grpc_server_handled_total{"))

    def stop(self) -> None:
        """Ends what is left."""
        for process in self.running.values():
            process.stop()


@pytest.fixture
def pods(stack_folder: Path, slow_store: ReplicaSet, amqp_uri: str) -> Iterator[Pods]:
    """None at first."""
    pods = Pods(stack_folder / "rolling", slow_store.uri, amqp_uri)
    yield pods
    pods.stop()


def slow_down(store: ReplicaSet) -> None:
    """Makes every query of the service take a second, by the database's own means of testing."""
    with MongoClient[dict[str, Any]](store.uri) as client:
        delay = {
            "failCommands": ["find"],
            "blockConnection": True,
            "blockTimeMS": int(SLOW * 1000),
            "appName": "kehu-profiles",
        }
        client.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": delay})


@contextmanager
def callers(call: Callable[[], object], count: int) -> Iterator[tuple[list[float], list[str]]]:
    """Makes a call again and again on some threads: the seconds that each took, and what went wrong."""
    seconds: list[float] = []
    failed: list[str] = []
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            begun = time.monotonic()
            try:
                call()
            except KehuError as error:
                failed.append(f"{type(error).__name__}: {error}")
            seconds.append(time.monotonic() - begun)

    threads = [threading.Thread(target=repeat) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield seconds, failed
    finally:
        over.set()
        for thread in threads:
            thread.join()


def wait_for_schema(pods: Pods, address: str, token: str) -> None:
    """Sees a process wait, alive and serving nothing, until its database is migrated."""
    eventually(lambda: answers(pods.probe(address, "livez")))
    assert not answers(pods.probe(address, "readyz"))
    target = f"{address}:{pods.port}"
    with Client({"profiles": target, "interactions": target}, token=token, retry=NEVER_AGAIN) as client:
        with pytest.raises(Unavailable, match="the database is at schema 0, this code needs 1"):
            client.profiles.get_customer(customer_id="cus_01jd0000000000000000000000")
        pods.migrate()
        eventually(lambda: answers(pods.probe(address, "readyz")))
        with pytest.raises(NotFound):
            client.profiles.get_customer(customer_id="cus_01jd0000000000000000000000")


def test_no_call_fails_while_every_process_is_replaced(pods: Pods, slow_store: ReplicaSet) -> None:
    with ExitStack() as stack:
        names = stack.enter_context(NameServer([pods.launch()]))
        target = names.target(pods.port)
        token = access.issue(pods.keys, subject="tester", tenant="acme", scopes=["*"])
        targets = {"profiles": target, "interactions": target}
        wait_for_schema(pods, names.addresses[0], token)
        names.addresses = (*names.addresses, pods.start())
        client = stack.enter_context(Client(targets, token=token, retry=NEVER_AGAIN))
        customer = {"kind": "KIND_PERSON", "names": [{"family": "王", "given": "小明", "script": "Hani"}]}
        get = partial(client.profiles.get_customer, customer_id=client.profiles.create_customer(customer=customer).id)
        slow_down(slow_store)
        seconds, failed = stack.enter_context(callers(get, 10))
        for old in names.addresses:
            new = pods.start()
            eventually(lambda old=old: pods.calls(old) > 0)
            # As the cluster does it: the address is gone from the name when the process is asked to go.
            names.addresses = (*(each for each in names.addresses if each != old), new)
            going = pods.ask_to_go(old)
            eventually(lambda old=old: not answers(pods.probe(old, "readyz")))
            assert answers(pods.probe(old, "livez")), "it is alive while it drains"
            eventually(lambda going=going: not going.alive)
            assert '"stopped"' in going.log.read_text()
        before = {address: pods.calls(address) for address in names.addresses}
        eventually(lambda: all(pods.calls(address) > calls for address, calls in before.items()))
    assert failed == []
    assert min(seconds) >= SLOW
    assert len(seconds) > 20
