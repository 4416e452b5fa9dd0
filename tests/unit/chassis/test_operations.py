"""Operations in memory: one at a time per tenant and kind, claimed by one process, ended once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.wrappers_pb2 import Int64Value
from google.rpc import code_pb2
from kehu.common.v1 import operation_pb2 as pb

from libs.chassis import identity
from libs.chassis.context import Context, enter
from libs.chassis.domain import FailedPrecondition, InvalidArgument, NotFound
from libs.chassis.identity import FixedClock
from libs.chassis.operations import ATTEMPTS, CLAIM, Job, OperationKind, Operations, OperationState, Stopped, to_message
from libs.chassis.run.operate import operate
from libs.chassis.store.memory import MemoryDatabase

ACME, BOLT = Context(tenant="acme", actor="ann"), Context(tenant="bolt", actor="bob")


@pytest.fixture
def operations() -> Operations:
    return Operations(MemoryDatabase("ledger"))


@pytest.fixture(autouse=True)
def now() -> Iterator[FixedClock]:
    clock = FixedClock(datetime(2026, 3, 1, 8, tzinfo=UTC))
    with identity.clock(clock), enter(ACME):
        yield clock


def listing(filter: str = "") -> pb.ListOperationsRequest:
    return pb.ListOperationsRequest(page_size=10, filter=filter)


def run(operations: Operations, id: str, work) -> pb.Operation:
    kind = OperationKind(name="sum", request=Int64Value, run=work)
    assert operate(operations, {"sum": kind}, "acme", id, threading.Event()) == 0
    return to_message(operations.get(id))


def test_one_of_a_kind_at_a_time_for_each_tenant(operations: Operations) -> None:
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


def test_they_are_listed_newest_first_and_by_kind(operations: Operations, now: FixedClock) -> None:
    ids = []
    for kind in ("a", "b", "c"):
        ids.append(operations.start(kind, Int64Value()).id)
        now.advance(timedelta(seconds=1))
    assert [each.id for each in operations.list(listing()).items] == ids[::-1]
    assert [each.id for each in operations.list(listing('kind = "b"')).items] == [ids[1]]
    with pytest.raises(InvalidArgument):
        operations.list(listing("done > 3"))


def test_work_is_done_told_and_its_result_kept(operations: Operations) -> None:
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


def test_a_refusal_and_a_defect_fail_it_with_their_status(operations: Operations) -> None:
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


def test_an_operation_that_no_version_knows_fails(operations: Operations) -> None:
    started = operations.start("fly", Int64Value())
    assert operate(operations, {}, "acme", started.id, threading.Event()) == 0
    assert operations.get(started.id).state is OperationState.FAILED


def test_cancelling_ends_a_waiting_one_at_once_and_a_running_one_at_its_next_step(operations: Operations) -> None:
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
    operations: Operations, now: FixedClock
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


def test_a_claim_keeps_others_away(operations: Operations) -> None:
    started = operations.start("sum", Int64Value())
    operations.claim(started.id, "one")
    assert operations.waiting() is None
    with pytest.raises(Stopped):
        operations.claim(started.id, "two")


def test_what_kills_its_process_again_and_again_is_given_up(operations: Operations, now: FixedClock) -> None:
    started = operations.start("sum", Int64Value())
    for _ in range(ATTEMPTS):
        operations.claim(started.id, "dies")
        now.advance(CLAIM)
    ended = run(operations, started.id, lambda _: Int64Value())
    assert ended.state == pb.Operation.STATE_FAILED
    assert str(ATTEMPTS) in ended.error.message
