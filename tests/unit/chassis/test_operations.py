"""Operations in memory: one at a time per tenant and kind, claimed by one process, ended once."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from google.protobuf.wrappers_pb2 import Int64Value
from google.rpc import code_pb2
from kehu.common.v1 import operation_pb2 as pb
from pymongo.errors import AutoReconnect

from libs.chassis import context, identity
from libs.chassis.context import Context, enter
from libs.chassis.domain import Conflict, FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.operations import (
    ATTEMPTS,
    CLAIM,
    Job,
    Operation,
    OperationKind,
    OperationState,
    Stopped,
    to_message,
)
from libs.chassis.paging import PageRequest
from libs.chassis.store import Collection, Contention, RelayBehind
from libs.engine.exits import Exit
from libs.engine.run import operate as module
from libs.engine.run.claims import Claims
from libs.engine.run.operate import operate
from libs.engine.store.memory import MemoryCollection, MemoryDatabase
from tests.support.ledger import Account
from tests.unit.test_timer_laws import ERRORS

ACME, BOLT = Context(tenant="acme", actor="ann"), Context(tenant="bolt", actor="bob")


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase("ledger")


@pytest.fixture
def operations(database: MemoryDatabase) -> Claims:
    return Claims(database)


@pytest.fixture(autouse=True)
def now() -> Iterator[FixedClock]:
    clock = FixedClock(datetime(2026, 3, 1, 8, tzinfo=UTC))
    with identity.clock(clock), enter(ACME):
        yield clock


def listing(filter: str = "") -> pb.ListOperationsRequest:
    return pb.ListOperationsRequest(page_size=10, filter=filter)


def run(operations: Claims, id: str, work) -> pb.Operation:
    kind = OperationKind(name="sum", request=Int64Value, run=work)
    assert operate(operations, {"sum": kind}, "acme", id, threading.Event()) == 0
    return to_message(operations.get(id))


def test_one_of_a_kind_at_a_time_for_each_tenant(operations: Claims) -> None:
    first = operations.start("sum", Int64Value(value=1))
    with pytest.raises(FailedPrecondition, match=first.id) as refusal:
        operations.start("sum", Int64Value(value=2))
    assert refusal.value.reason_code == "OPERATION_RUNNING"
    operations.start("other", Int64Value())
    with enter(BOLT):
        operations.start("sum", Int64Value())
        with pytest.raises(NotFound):
            operations.get(first.id)
    operations.cancel(first.id)
    operations.start("sum", Int64Value(value=2))


def test_they_are_listed_newest_first_and_by_kind(operations: Claims, now: FixedClock) -> None:
    ids = []
    for kind in ("a", "b", "c"):
        ids.append(operations.start(kind, Int64Value()).id)
        now.advance(timedelta(seconds=1))
    assert [each.id for each in operations.list("", PageRequest(10)).items] == ids[::-1]
    assert [each.id for each in operations.list('kind = "b"', PageRequest(10)).items] == [ids[1]]
    with pytest.raises(InvalidArgument):
        operations.list("done > 3", PageRequest(10))


def test_work_is_done_told_and_its_result_kept(operations: Claims) -> None:
    started = operations.start("sum", Int64Value(value=3))

    def work(job: Job) -> Int64Value:
        for n in range(job.request.value):
            job.progress(n + 1, 3, n=n + 1)
        assert job.state == {"n": 3}
        return Int64Value(value=6)

    ended = run(operations, started.id, work)
    result = Int64Value()
    assert ended.result.Unpack(result)
    assert result.value == 6
    assert (ended.state, ended.done, ended.total) == (pb.Operation.STATE_SUCCEEDED, 3, 3)
    assert ended.started_by == "ann"
    assert ended.HasField("end_time")


def test_a_refusal_and_a_defect_fail_it_with_their_status(operations: Claims) -> None:
    def refuse(_: Job) -> Int64Value:
        raise FailedPrecondition("fewer than 100 customers bought twice: 7")

    def defect(_: Job) -> Int64Value:
        raise ZeroDivisionError("secret")

    refused = run(operations, operations.start("sum", Int64Value()).id, refuse)
    assert refused.state == pb.Operation.STATE_FAILED
    assert (refused.error.code, refused.error.message) == (
        code_pb2.FAILED_PRECONDITION,
        "fewer than 100 customers bought twice: 7",
    )
    broken = run(operations, operations.start("sum", Int64Value()).id, defect)
    assert broken.error.code == code_pb2.INTERNAL
    assert "secret" not in str(broken)
    assert broken.id in broken.error.message


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_of_three_tenants_the_one_in_the_middle_fails_and_the_others_are_done(
    operations: Claims, now: FixedClock, error: Exception
) -> None:
    """Its own operation fails or is interrupted and tried again later. No process ends with it."""
    ids = {}
    for tenant in ("acme", "bolt", "coil"):
        with enter(Context(tenant=tenant, actor="ann")):
            ids[tenant] = operations.start("sum", Int64Value(value=3)).id

    def work(_: Job) -> Int64Value:
        if context.current().tenant == "bolt":
            raise error
        return Int64Value(value=6)

    kinds = {"sum": OperationKind(name="sum", request=Int64Value, run=work)}
    codes = {tenant: operate(operations, kinds, tenant, id, threading.Event()) for tenant, id in ids.items()}
    assert (codes["acme"], codes["coil"]) == (Exit.DONE, Exit.DONE)
    states = {}
    for tenant, id in ids.items():
        with enter(Context(tenant=tenant, actor="ann")):
            states[tenant] = operations.get(id)
    assert states["acme"].state is states["coil"].state is OperationState.SUCCEEDED
    passes = codes["bolt"] == Exit.UNAVAILABLE
    assert states["bolt"].active is passes
    assert states["bolt"].state is (OperationState.RUNNING if passes else OperationState.FAILED)
    assert not passes or states["bolt"].claimable_time > now.at


def test_an_operation_of_another_release_is_left_to_it(operations: Claims) -> None:
    started = operations.start("fly", Int64Value())
    assert operate(operations, {}, "acme", started.id, threading.Event()) == Exit.FOREIGN
    assert operations.get(started.id) == started
    assert operations.due({"fly"}).find(identity.now()) == []
    assert [each.id for each in operations.due({"swim"}).find(identity.now())] == [started.id]


@pytest.mark.parametrize(
    "error",
    [
        Contention("accounts"),
        RelayBehind("256 events wait"),
        Conflict("too many others change the same entities at once"),
        OSError("no memory"),
        AutoReconnect("a new primary"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_interrupts_it_and_it_goes_on_from_its_checkpoint(
    operations: Claims, now: FixedClock, error: Exception
) -> None:
    started = operations.start("sum", Int64Value())

    def interrupted(job: Job) -> Int64Value:
        if not job.state:
            job.progress(4, 10, n=4)
        raise error

    kind = {"sum": OperationKind(name="sum", request=Int64Value, run=interrupted)}
    pauses = []
    for _ in range(ATTEMPTS + 2):
        assert operate(operations, kind, "acme", started.id, threading.Event()) == Exit.UNAVAILABLE
        left = operations.get(started.id)
        assert (left.state, left.owner, left.done) == (OperationState.RUNNING, "", 4)
        pauses.append((left.claimable_time - now.now()).total_seconds())
        assert operations.waiting() is None
        now.at = left.claimable_time
    assert pauses == [1, 2, 4, 8, 16, 32, 64]

    def rest(job: Job) -> Int64Value:
        assert job.state == {"n": 4}
        return Int64Value()

    assert run(operations, started.id, rest).state == pb.Operation.STATE_SUCCEEDED


def test_cancelling_ends_a_waiting_one_at_once_and_a_running_one_at_its_next_step(operations: Claims) -> None:
    waiting = operations.start("sum", Int64Value())
    assert operations.cancel(waiting.id).state is OperationState.CANCELLED
    assert operations.cancel(waiting.id).state is OperationState.CANCELLED
    running = operations.start("sum", Int64Value())
    steps = []

    def work(job: Job) -> Int64Value:
        for n in range(10):
            steps.append(n)
            if n == 2:
                operations.cancel(running.id)
            job.progress(n, 10)
        return Int64Value()

    ended = run(operations, running.id, work)
    assert ended.state == pb.Operation.STATE_CANCELLED
    assert ended.done == 2
    assert steps == [0, 1, 2]


def test_who_lost_the_claim_stops_and_the_other_goes_on_from_the_checkpoint(
    operations: Claims, now: FixedClock
) -> None:
    started = operations.start("sum", Int64Value())

    def slow(job: Job) -> Int64Value:
        job.progress(4, 10, n=4)
        now.advance(CLAIM + timedelta(seconds=1))
        operations.claim(started.id, "another process")
        job.progress(5, 10, n=5)
        raise AssertionError("unreachable: the claim is lost")

    assert run(operations, started.id, slow).state == pb.Operation.STATE_RUNNING
    now.advance(CLAIM + timedelta(seconds=1))
    assert operations.waiting() == ("acme", operations.get(started.id))

    def rest(job: Job) -> Int64Value:
        assert job.state == {"n": 4}
        return Int64Value(value=10)

    assert run(operations, started.id, rest).state == pb.Operation.STATE_SUCCEEDED
    assert operations.waiting() is None


def test_a_claim_keeps_others_away(operations: Claims) -> None:
    started = operations.start("sum", Int64Value())
    operations.claim(started.id, "one")
    assert operations.waiting() is None
    with pytest.raises(Stopped):
        operations.claim(started.id, "two")


def test_what_kills_its_process_again_and_again_is_given_up(operations: Claims, now: FixedClock) -> None:
    started = operations.start("sum", Int64Value())
    for _ in range(ATTEMPTS):
        operations.claim(started.id, "dies")
        now.advance(CLAIM)
    ended = run(operations, started.id, lambda _: Int64Value())
    assert ended.state == pb.Operation.STATE_FAILED
    assert str(ATTEMPTS) in ended.error.message


# ------------------------------------------------------------------------------------------------------ fences

WRITES: dict[str, Callable[[Collection[Account], str], object]] = {
    "update": lambda accounts, id: accounts.update(id, lambda each: each.deposit(1)),
    "update_many": lambda accounts, id: accounts.update_many([(id, 1)], Account.deposit),
    "upsert_many": lambda accounts, id: accounts.upsert_many(
        [(Account(id=id, name="x"), 1), (Account(id=identity.new_id("acc"), name="new"), 1)], Account.deposit
    ),
    "insert": lambda accounts, _: accounts.insert(Account(id=identity.new_id("acc"), name="new").open()),
}
"""Every way in which a job changes the store."""


@pytest.fixture
def accounts(database: MemoryDatabase) -> Collection[Account]:
    return database.collection(Account, "accounts")


@pytest.mark.parametrize("in_transaction", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("name", WRITES)
def test_a_process_that_was_paused_past_its_claim_changes_nothing_any_more(
    database: MemoryDatabase, accounts: Collection[Account], now: FixedClock, name: str, in_transaction: bool
) -> None:
    operations = Claims(database)
    id = accounts.insert(Account(id=identity.new_id("acc"), name="x").open()).id
    started = operations.start("sum", Int64Value())

    def write() -> None:
        if in_transaction:
            database.transact(lambda: WRITES[name](accounts, id))
        else:
            WRITES[name](accounts, id)

    def paused(job: Job) -> Int64Value:
        write()
        job.progress(1, 2, n=1)
        before = documents(accounts)
        now.advance(CLAIM + timedelta(seconds=1))
        taken = operations.claim(started.id, "another process")
        with pytest.raises(Stopped):
            write()
        assert documents(accounts) == before
        with pytest.raises(Stopped):
            job.progress(2, 2, n=2)
        assert operations.get(started.id) == taken
        write()
        raise AssertionError("unreachable: the claim is lost")

    assert run(operations, started.id, paused).state == pb.Operation.STATE_RUNNING
    assert operations.get(started.id).owner == "another process"


def test_the_same_process_name_is_no_claim(operations: Claims, now: FixedClock) -> None:
    """Names of processes come again: pods have the same names and processes the same numbers after a restart."""
    started = operations.start("sum", Int64Value())
    first = operations.claim(started.id, "worker-0/17")
    now.advance(CLAIM)
    second = operations.claim(started.id, "worker-0/17")
    with pytest.raises(Stopped):
        operations.change(first, lambda each: each)
    assert operations.change(second, lambda each: each.renewed(now.now())).epoch == 2


def test_a_fence_makes_every_write_of_its_process_collide_with_a_takeover(
    database: MemoryDatabase, accounts: Collection[Account]
) -> None:
    operations = Claims(database)
    started = operations.start("sum", Int64Value())

    def work(_: Job) -> Int64Value:
        for n in range(3):
            account = accounts.insert(Account(id=identity.new_id("acc"), name=str(n)).open())
            accounts.update(account.id, lambda each: each.deposit(1))
            assert operations.get(started.id).steps == 2 * (n + 1)
        return Int64Value()

    assert run(operations, started.id, work).state == pb.Operation.STATE_SUCCEEDED


def documents(accounts: Collection[Account]) -> object:
    return copy.deepcopy(cast(MemoryCollection[Account], accounts).documents)


def test_a_claim_is_renewed_again_after_whatever_kept_it_from_being_renewed(
    operations: Claims, now: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_AT_PARENT_EVERY", 0.01)
    monkeypatch.setattr(module, "_RENEW_EVERY", 0.02)
    started = operations.start("sum", Int64Value())
    broken, renewed = threading.Event(), threading.Event()
    change = operations.change

    def flaky(claimed: Operation, by: Callable[[Operation], Operation]) -> Operation:
        if threading.current_thread().name == "claim":
            if not broken.is_set():
                broken.set()
                raise KeyError("a page of the keyring")
            renewed.set()
        return change(claimed, by)

    monkeypatch.setattr(operations, "change", flaky)

    def work(_: Job) -> Int64Value:
        assert renewed.wait(5)
        return Int64Value()

    assert run(operations, started.id, work).state == pb.Operation.STATE_SUCCEEDED


def test_an_orphan_changes_nothing_any_more(
    operations: Claims, accounts: Collection[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = operations.start("sum", Int64Value())

    def work(_: Job) -> Int64Value:
        monkeypatch.setattr(os, "getppid", lambda: 1)
        accounts.insert(Account(id=identity.new_id("acc"), name="x").open())
        raise AssertionError("unreachable: the worker is gone")

    assert run(operations, started.id, work).state == pb.Operation.STATE_RUNNING
    assert operations.get(started.id).owner == ""
    assert documents(accounts) == {}
