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

import pymongo
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from libs.client import KehuError
from libs.client.retry import Retry
from libs.engine.settings import Secret
from libs.engine.store import connect
from libs.engine.store.rotation import Rotation
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
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path / "rotation")
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


def test_what_the_first_user_has_begun_is_over_when_the_second_one_is_taken_up(guarded: Guarded) -> None:
    """A transaction belongs to its user. One that nobody can go on with would lock its documents for a minute."""
    with guarded.operator() as mongo:
        for user in ("first", "second"):
            mongo.admin.command("createUser", user, pwd=user, roles=[{"role": "dbOwner", "db": "ledger"}])
    guarded.hand_out("first")
    secret = Secret(f"file:{guarded.files['mongodb']}")
    with connect(secret.read(), "ledger") as client:
        rotation = Rotation(client, secret)
        accounts = client["ledger"]["accounts"]
        accounts.insert_one({"_id": "acc_1"})
        with client.start_session() as session:
            session.start_transaction()
            accounts.update_one({"_id": "acc_1"}, {"$set": {"by": "first"}}, session=session)
            guarded.hand_out("second")
            rotation.look()
            with pytest.raises(OperationFailure, match="transaction"):
                accounts.update_one({"_id": "acc_1"}, {"$set": {"by": "nobody"}}, session=session)
        with guarded.operator() as mongo:
            mongo.admin.command("dropUser", "first")
        with pymongo.timeout(5):
            accounts.update_one({"_id": "acc_1"}, {"$set": {"by": "second"}})
        assert accounts.find_one({"_id": "acc_1"}) == {"_id": "acc_1", "by": "second"}
