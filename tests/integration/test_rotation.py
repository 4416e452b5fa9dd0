"""Passwords of database and broker change while calls and events go on."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from libs.client import KehuError
from libs.client.retry import Retry
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import HOST
from libs.localstack.rabbit import Broker
from tests.support.patience import eventually
from tests.support.stack import KEHU, System

PROCESSES = ("profiles-api", "profiles-worker")


class Guarded:
    """A database and a broker that ask for passwords, and the files in which processes find them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        key = folder / "members.key"
        key.write_bytes(base64.b64encode(os.urandom(96)))
        key.chmod(0o600)
        self.store = ReplicaSet(folder, options=["--auth", f"--keyFile={key}"])
        self.bus = Broker(folder)
        self.files = {name: folder / name for name in ("mongodb", "amqp")}

    def start(self) -> None:
        """Starts both and makes an operator for the database, whose first user may be made by anybody."""
        self.store.start()
        self.bus.start()
        with MongoClient[dict[str, Any]](self.store.uri) as anybody:
            anybody.admin.command("createUser", "operator", pwd="operator", roles=["root"])

    def stop(self) -> None:
        """Ends both."""
        self.bus.stop()
        self.store.stop()

    def admit(self, user: str) -> None:
        """Makes a user of that name and password in both."""
        with self.operator() as mongo:
            mongo.admin.command("createUser", user, pwd=user, roles=["root"])
        self.bus.control("add_user", user, user)
        self.bus.control("set_permissions", user, ".*", ".*", ".*")

    def hand_out(self, user: str) -> None:
        """Changes the files, as a mounted secret changes: at once."""
        _, _, address = self.store.uri.partition("//")
        texts = {
            "mongodb": f"mongodb://{user}:{user}@{address}&authSource=admin",
            "amqp": f"amqp://{user}:{user}@{HOST}:{self.bus.port}/",
        }
        for name, text in texts.items():
            fresh = self._folder / f"{name}.new"
            fresh.write_text(text)
            fresh.replace(self.files[name])

    def expel(self, user: str) -> None:
        """Takes a user away from both."""
        with self.operator() as mongo:
            mongo.admin.command("dropUser", user)
        self.bus.control("delete_user", user)

    def operator(self) -> MongoClient[dict[str, Any]]:
        """A client that may do everything."""
        return MongoClient[dict[str, Any]](self.store.uri, username="operator", password="operator")


@pytest.fixture
def guarded(stack_folder: Path) -> Iterator[Guarded]:
    guarded = Guarded(stack_folder / "rotation")
    guarded.start()
    yield guarded
    guarded.stop()


@pytest.fixture
def system(guarded: Guarded) -> Iterator[System]:
    """Profiles, with the passwords of `first`."""
    guarded.admit("first")
    guarded.hand_out("first")
    files = {f"{name}_uri": f"file:{path}" for name, path in guarded.files.items()}
    system = System(guarded.files["mongodb"].parent / "system", **files)
    subprocess.run([KEHU, "profiles", "migrate"], env=system._settings(), check=True, capture_output=True)
    for name in PROCESSES:
        system.launch(name)
    for name in PROCESSES:
        system.wait_ready(name)
    yield system
    system.stop()


def test_no_call_fails_and_no_event_is_lost_while_passwords_change(guarded: Guarded, system: System) -> None:
    created: list[str] = []
    failed: list[str] = []
    over = threading.Event()

    def create() -> None:
        customer = {"kind": "KIND_PERSON", "names": [{"family": "王", "given": "小明", "script": "Hani"}]}
        while not over.wait(0.02):
            try:
                created.append(client.profiles.create_customer(customer=customer).id)
            except KehuError as error:
                failed.append(f"{type(error).__name__}: {error}")

    with system.client("acme", retry=Retry(attempts=1)) as client:
        callers = [threading.Thread(target=create) for _ in range(3)]
        for caller in callers:
            caller.start()
        try:
            eventually(lambda: len(created) > 20)
            guarded.hand_out("nobody")
            eventually(lambda: all("credentials of the database do not work" in system.log(name) for name in PROCESSES))
            guarded.admit("second")
            guarded.hand_out("second")
            eventually(lambda: all("took up new credentials" in system.log(name) for name in PROCESSES))
            guarded.expel("first")
            before = len(created)
            eventually(lambda: len(created) > before + 50 or failed)
            time.sleep(1)
        finally:
            over.set()
            for caller in callers:
                caller.join()
    assert failed == []
    assert not any("nobody" in system.log(name) for name in PROCESSES), "a wrong password is in no log either"
    with guarded.operator() as mongo:
        entries = mongo["profiles"]["journal"]
        query = {"type": "kehu.profiles.customer.created.v1"}
        eventually(lambda: entries.count_documents(query) == len(created))
        assert sorted(entry["entity_id"] for entry in entries.find(query)) == sorted(created)
