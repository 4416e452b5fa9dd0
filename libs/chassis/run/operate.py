"""Long operations: the worker's loop that starts a child process for each, and what that child does.

The child is told tenant and id. It claims the operation, renews its claim on a thread while the job computes, and
leaves the verdict in the operation. A child that dies leaves a claim that runs out, and whoever finds it goes on from
its last checkpoint.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

import pymongo
from google.rpc import code_pb2, status_pb2
from pymongo.errors import PyMongoError

from libs.chassis import identity, logs
from libs.chassis.context import Context, enter
from libs.chassis.domain import DomainError
from libs.chassis.exits import Exit
from libs.chassis.loop import Loop
from libs.chassis.operations import (
    ATTEMPTS,
    CLAIM,
    Cancelled,
    Operation,
    OperationKind,
    Operations,
    OperationState,
    Stopped,
    kept,
)
from libs.chassis.store import Contention, RelayBehind

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for an operation that waits."""
_DATABASE_TIMEOUT: Final = 10.0
_RENEW_EVERY: Final = CLAIM.total_seconds() / 3

AnyKind = OperationKind[Any, Any]

log = logs.get(__name__)


class OperationLoop(Loop):
    """Looks for operations that wait and has one child process at a time work on them."""

    interruptions: ClassVar = (PyMongoError, Contention, RelayBehind)

    def __init__(self, service: str, operations: Operations, package: str, grace: float) -> None:
        super().__init__(f"{service}.operations")
        self._operations = operations
        self._package = package
        self._stop_within = max(0.0, grace - 1)
        """Seconds that a job has to come to its next checkpoint; the loop itself needs the rest."""

    def _serve(self) -> None:
        while not self.stopping.is_set():
            with pymongo.timeout(_DATABASE_TIMEOUT):
                found = self._operations.waiting()
            self.ready()
            if found is None:
                self.stopping.wait(LOOK_EVERY)
                continue
            tenant, operation = found
            self._wait_for(subprocess.Popen([sys.executable, "-m", self._package, "operation", tenant, operation.id]))

    def _wait_for(self, child: subprocess.Popen[bytes]) -> None:
        told = False
        while child.poll() is None:
            self.beat()
            if self.stopping.is_set() and not told:
                child.terminate()
                told = True
                threading.Timer(self._stop_within, child.kill).start()
            # Not `stopping.wait`: it returns at once while the child is given time to stop.
            threading.Event().wait(0.1 if told else LOOK_EVERY / 4)
        if child.returncode and not told:
            log.warning("the process of an operation died", loop=self.name, code=child.returncode)
            self.stopping.wait(LOOK_EVERY)


def operate(
    operations: Operations,
    kinds: Mapping[str, AnyKind],
    tenant: str,
    id: str,
    stopping: threading.Event,
) -> int:
    """What the child process does until it is done or `stopping`; its exit code."""
    with enter(Context(tenant=tenant, actor="operations")):
        try:
            claimed = operations.claim(id, f"{socket.gethostname()}/{os.getpid()}")
        except Stopped as stopped:
            log.info("left alone", operation=id, reason=str(stopped))
            return 0
    context = Context(tenant=tenant, actor=claimed.started_by, correlation_id=claimed.id)
    with enter(context), _Attendance(operations, claimed, context, stopping) as attendance:
        log.info("operates", operation=id, kind=claimed.kind, attempt=claimed.attempts)
        try:
            verdict = _verdict(kinds.get(claimed.kind), claimed, attendance)
        except Stopped as stopped:
            log.info("stopped", operation=id, reason=str(stopped))
            attendance.hand_over()
            return 0
        except PyMongoError as error:
            log.warning("interrupted", operation=id, error=f"{type(error).__name__}: {error}")
            return Exit.UNAVAILABLE
        attendance.leave()
        try:
            ended = operations.change(id, claimed.owner, verdict)
        except Stopped as stopped:
            log.info("left to another", operation=id, reason=str(stopped))
            return 0
        log.info("ended", operation=id, kind=claimed.kind, state=ended.state)
        return 0


def _verdict(kind: AnyKind | None, operation: Operation, job: _Attendance) -> Callable[[Operation], Operation]:
    """How the operation ends after its work was done, refused, cancelled or found impossible."""
    if kind is None:
        return _failed(code_pb2.UNIMPLEMENTED, f"this version knows no operation {operation.kind!r}")
    if operation.attempts > ATTEMPTS:
        return _failed(code_pb2.INTERNAL, f"{ATTEMPTS} processes died of it without getting further")
    if operation.cancel_requested:
        return lambda latest: latest.ended(OperationState.CANCELLED, identity.now())
    try:
        job.begin(kind)
        result = kind.told(kind.run(job))
    except Cancelled:
        return lambda latest: latest.ended(OperationState.CANCELLED, identity.now())
    except DomainError as error:
        from libs.chassis.rpc import status_of  # grpc, which only a failure needs

        return _ended(OperationState.FAILED, error=status_of(error).SerializeToString())
    except (Stopped, PyMongoError):
        raise
    except Exception:
        log.exception("a defect ended an operation", operation=operation.id, kind=operation.kind)
        return _failed(code_pb2.INTERNAL, f"a defect of ours: report the operation {operation.id}")
    return _ended(OperationState.SUCCEEDED, result=result)


def _failed(code: int, message: str) -> Callable[[Operation], Operation]:
    return _ended(OperationState.FAILED, error=status_pb2.Status(code=code, message=message).SerializeToString())


def _ended(state: OperationState, *, result: bytes = b"", error: bytes = b"") -> Callable[[Operation], Operation]:
    return lambda latest: latest.ended(state, identity.now(), result=result, error=error)


class _Attendance:
    """The job as its function sees it, and the thread that keeps the claim while the function computes."""

    request: Any
    state: Any

    def __init__(
        self, operations: Operations, operation: Operation, context: Context, stopping: threading.Event
    ) -> None:
        self._operations = operations
        self._id, self._owner = operation.id, operation.owner
        self._asked = operation.request
        self._context = context
        self._checkpoint = operation.checkpoint
        self._parent = os.getppid()
        self._stopping = stopping
        self._left = threading.Event()
        self._end: Exception | None = None
        """What `progress` raises next, as the thread found out."""
        self._thread = threading.Thread(target=self._keep_claim, name="claim", daemon=True)

    def __enter__(self) -> _Attendance:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Renews no more."""
        self._left.set()
        if self._thread.is_alive():
            self._thread.join()

    def begin(self, kind: AnyKind) -> None:
        """Reads what was asked for, and how far another process came."""
        self.request = kind.asked(self._asked)
        self._kind, self.state = kind, kind.resumed(self._checkpoint)

    def progress(self, done: int, total: int, state: Any = None, **fields: Any) -> None:
        """See `Job.progress`."""
        checkpoint = kept(fields if state is None else state)
        latest = self._operations.change(
            self._id,
            self._owner,
            lambda operation: replace(
                operation,
                done=done,
                total=total,
                checkpoint=checkpoint,
                attempts=0,
                claimable_time=identity.now() + CLAIM,
            ),
        )
        self.state = self._kind.resumed(checkpoint)
        if latest.cancel_requested:
            raise Cancelled(self._id)
        if self._stopping.is_set():
            raise Stopped("this process was asked to end")
        if os.getppid() != self._parent:
            raise Stopped("the worker is gone")
        if self._end is not None:
            raise self._end

    def hand_over(self) -> None:
        """Lets another process take the operation at once, if this one still has it."""
        self.leave()
        try:
            self._operations.change(
                self._id,
                self._owner,
                lambda operation: replace(operation, claimable_time=identity.now(), owner=""),
            )
        except (Stopped, PyMongoError) as error:
            log.info("nothing to hand over", operation=self._id, error=str(error))

    def _keep_claim(self) -> None:
        with enter(self._context):
            while not self._left.wait(_RENEW_EVERY):
                try:
                    self._operations.change(
                        self._id,
                        self._owner,
                        lambda operation: replace(operation, claimable_time=identity.now() + CLAIM),
                    )
                except Stopped as lost:
                    self._end = lost
                    return
                except PyMongoError as error:
                    log.warning("claim not renewed", operation=self._id, error=f"{type(error).__name__}: {error}")
