"""Processes that start before their database does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import HOST, answers, free_port
from tests.support.patience import eventually
from tests.support.stack import System

PROCESSES = ("profiles-api", "profiles-worker")


@pytest.fixture
def late(stack_folder: Path) -> Iterator[ReplicaSet]:
    late = ReplicaSet(stack_folder / "late", ports=[free_port()])
    yield late
    late.stop()


@pytest.fixture
def system(stack_folder: Path, late: ReplicaSet, host_of_its_own: str) -> Iterator[System]:
    system = System(stack_folder / "late-system", mongodb_uri=late.uri, amqp_uri=host_of_its_own)
    yield system
    system.stop()


def test_processes_wait_for_their_database_alive_and_not_ready(late: ReplicaSet, system: System) -> None:
    for name in PROCESSES:
        system.launch(name)
    first = {}
    for name in PROCESSES:
        eventually(lambda name=name: "the database does not answer" in system.log(name))
        assert answers(f"{system.admin(name)}/livez")
        assert not answers(f"{system.admin(name)}/readyz")
        first[name] = system.pid(name)
    late.start()
    done = system.kehu("acme", "profiles", "migrate")
    assert done.returncode == 0, done.stderr
    for name in PROCESSES:
        system.wait_ready(name)
    assert {name: system.pid(name) for name in PROCESSES} == first
    with system.client("acme") as client:
        assert client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "late"}).id


def test_what_ends_by_itself_gives_up(late: ReplicaSet, system: System) -> None:
    done = system.kehu("acme", "profiles", "migrate")
    assert (done.returncode, "gives up" in done.stdout) == (75, True), done.stderr
    assert HOST in done.stdout
