"""Long work in real processes: it outlives the death of the worker and of the process that does it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import Int64Value

from libs.chassis.context import Context, enter
from libs.chassis.operations import CLAIM, OperationState
from tests.support.ledger_service.processes import Ledger
from tests.support.patience import eventually

ACME = Context(tenant="acme", actor="ann")
PATIENCE = CLAIM.total_seconds() + 30


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, mongodb_uri: str, amqp_uri: str) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"), mongodb_uri, amqp_uri)
    yield ledger
    ledger.remove()


@pytest.fixture
def ledger(shared: Ledger) -> Iterator[Ledger]:
    shared.prepare()
    with enter(ACME):
        yield shared
    shared.clear()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def names(ledger: Ledger) -> list[str]:
    return sorted(each["name"] for each in ledger.database.raw["accounts"].find())


def expected(count: int) -> list[str]:
    return sorted(f"account {number}" for number in range(count))


def test_work_goes_on_where_a_killed_process_left_it(ledger: Ledger) -> None:
    operations = ledger.store.operations
    started = operations.start("open_accounts", Int64Value(value=150))
    first = ledger.worker().ready()
    eventually(lambda: operations.get(started.id).done > 10, 30)
    [child] = children(first.process.pid)
    os.kill(child, signal.SIGKILL)
    first.kill()
    reached = operations.get(started.id).done
    assert 10 < reached < 150
    ledger.worker().ready()
    eventually(lambda: operations.get(started.id).state is OperationState.SUCCEEDED, PATIENCE)
    assert names(ledger) == expected(150)
    assert operations.get(started.id).done == 150


def test_a_worker_that_stops_hands_its_operation_over_at_once(ledger: Ledger) -> None:
    operations = ledger.store.operations
    started = operations.start("open_accounts", Int64Value(value=150))
    first = ledger.worker().ready()
    eventually(lambda: operations.get(started.id).done > 5, 30)
    assert first.terminate() == 0
    left = operations.get(started.id)
    assert (left.state, left.owner) == (OperationState.RUNNING, "")
    assert left.done < 150
    ledger.worker().ready()
    eventually(lambda: operations.get(started.id).state is OperationState.SUCCEEDED, 30)
    assert names(ledger) == expected(150)


def test_the_orphan_of_a_killed_worker_gives_up(ledger: Ledger) -> None:
    operations = ledger.store.operations
    started = operations.start("open_accounts", Int64Value(value=5000))
    worker = ledger.worker().ready()
    eventually(lambda: operations.get(started.id).done > 5, 30)
    [child] = children(worker.process.pid)
    worker.kill()
    eventually(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text(), 10)
    assert operations.get(started.id).owner == ""
    assert operations.cancel(started.id).cancel_requested
    ledger.worker().ready()
    eventually(lambda: operations.get(started.id).state is OperationState.CANCELLED, 30)


def test_a_running_operation_is_cancelled(ledger: Ledger) -> None:
    operations = ledger.store.operations
    started = operations.start("open_accounts", Int64Value(value=5000))
    ledger.worker().ready()
    eventually(lambda: operations.get(started.id).done > 5, 30)
    operations.cancel(started.id)
    eventually(lambda: operations.get(started.id).state is OperationState.CANCELLED, 30)
    assert names(ledger) == expected(operations.get(started.id).done)
