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
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from google.rpc import code_pb2, status_pb2
from pymongo.errors import PyMongoError

from libs.chassis import identity
from libs.chassis.context import Context, current, enter
from libs.chassis.domain import Conflict, DomainError
from libs.chassis.operations import (
    ATTEMPTS,
    CLAIM,
    Cancelled,
    Operation,
    OperationKind,
    OperationState,
    Stopped,
    kept,
)
from libs.chassis.store import Contention, RelayBehind
from libs.chassis.timers import Timer
from libs.engine import logs
from libs.engine.exits import Exit
from libs.engine.loop import Loop
from libs.engine.run.claims import Claims
from libs.engine.store import StoredDatabase
from libs.engine.store.fence import fence
from libs.engine.timers import Round

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for an operation that waits."""
_RENEW_EVERY: Final = CLAIM.total_seconds() / 3
_LOOK_AT_PARENT_EVERY: Final = 1.0
_ORPHAN_ENDS_AFTER: Final = 20.0
"""Seconds that the job of an orphan has to come to its next checkpoint."""
PASSING: Final = (PyMongoError, Contention, RelayBehind, Conflict, OSError)
"""Errors that pass, so that the operation goes on from its last checkpoint after a pause."""

AnyKind = OperationKind[Any, Any]

log = logs.get(__name__)


class ChildDied(Exception):
    """The process of an operation ended without a verdict."""


class OperationLoop(Loop):
    """Looks for operations that wait and has one child process at a time work on them.

    An operation whose process dies, or cannot be started, is deferred, so the others do not wait for it.
    """

    interruptions: ClassVar = (PyMongoError, Contention, RelayBehind)

    def __init__(self, database: StoredDatabase, package: str, grace: float) -> None:
        super().__init__(f"{database.service}.operations")
        self._database = database
        self._operations = Claims(database)
        self._package = package
        self._foreign: set[str] = set()
        """Kinds that this release does not know: they wait for a worker of the one that does."""
        self._stop_within = max(0.0, grace - 1)
        """Seconds that a job has to come to its next checkpoint. The loop itself needs the rest."""

    def _serve(self) -> None:
        while not self.stopping.is_set():
            done = self._look().run()
            self.ready()
            if not done:
                self.stopping.wait(LOOK_EVERY)

    def _look(self) -> Round[Operation]:
        timer = Timer(
            name="operations",
            every=timedelta(seconds=LOOK_EVERY),
            due=self._operations.due(self._foreign),
            run=self._work,
        )
        return Round(self._database, timer, go_on=lambda: not self.stopping.is_set())

    def _work(self, due: Sequence[Operation]) -> None:
        self.ready()
        tenant = current().tenant
        for operation in due:
            command = [sys.executable, "-m", self._package, "operation", tenant, operation.id]
            code = self._wait_for(subprocess.Popen(command))
            if code == Exit.FOREIGN:
                log.info("left to another release", operation=operation.id, kind=operation.kind)
                self._foreign.add(operation.kind)
            elif code not in (Exit.DONE, Exit.UNAVAILABLE):
                raise ChildDied(f"exit code {code}")

    def _wait_for(self, child: subprocess.Popen[bytes]) -> int:
        """The exit code of a child. 0 when it was asked to end."""
        told = False
        while child.poll() is None:
            self.beat()
            if self.stopping.is_set() and not told:
                child.terminate()
                told = True
                threading.Timer(self._stop_within, child.kill).start()
            # Not `stopping.wait`: it returns at once while the child is given time to stop.
            threading.Event().wait(0.1 if told else LOOK_EVERY / 4)
        return 0 if told else child.returncode


def operate(
    operations: Claims,
    kinds: Mapping[str, AnyKind],
    tenant: str,
    id: str,
    stopping: threading.Event,
) -> int:
    """Work of the child process until it is done or `stopping`. Returns its exit code."""
    with enter(Context(tenant=tenant, actor="operations")):
        kind = kinds.get(operations.get(id).kind)
        if kind is None:
            return Exit.FOREIGN
        try:
            claimed = operations.claim(id, f"{socket.gethostname()}/{os.getpid()}")
        except Stopped as stopped:
            log.info("left alone", operation=id, reason=str(stopped))
            return Exit.DONE
    scopes = frozenset(claimed.scopes)
    context = Context(tenant=tenant, actor=claimed.started_by, scopes=scopes, correlation_id=claimed.id)
    with enter(context), _Attendance(operations, claimed, context, stopping) as attendance:
        log.info("operates", operation=id, kind=claimed.kind, attempt=claimed.attempts)
        try:
            with fence(attendance.hold):
                verdict = _verdict(kind, claimed, attendance)
        except Stopped as stopped:
            log.info("stopped", operation=id, reason=str(stopped))
            attendance.leave_as(Operation.handed_over)
            return Exit.DONE
        except PASSING as error:
            log.warning("interrupted", operation=id, error=f"{type(error).__name__}: {error}")
            attendance.leave_as(Operation.interrupted)
            return Exit.UNAVAILABLE
        attendance.leave()
        try:
            ended = operations.change(claimed, verdict)
        except Stopped as stopped:
            log.info("left to another", operation=id, reason=str(stopped))
            return Exit.DONE
        log.info("ended", operation=id, kind=claimed.kind, state=ended.state)
        return Exit.DONE


def _verdict(kind: AnyKind, operation: Operation, job: _Attendance) -> Callable[[Operation], Operation]:
    """The end of the operation after its work was done, refused, cancelled or found impossible."""
    if operation.attempts > ATTEMPTS:
        return _failed(code_pb2.INTERNAL, f"{ATTEMPTS} processes died of it without getting further")
    if operation.cancel_requested:
        return lambda latest: latest.ended(OperationState.CANCELLED, identity.now())
    try:
        job.begin(kind)
        result = kind.told(kind.run(job))
    except Cancelled:
        return lambda latest: latest.ended(OperationState.CANCELLED, identity.now())
    except (Stopped, *PASSING):
        raise
    except DomainError as error:
        from libs.engine.rpc.errors import status_of  # grpc, which only a failure needs

        return _ended(OperationState.FAILED, error=status_of(error).SerializeToString())
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

    def __init__(self, operations: Claims, operation: Operation, context: Context, stopping: threading.Event) -> None:
        self._operations = operations
        self._claimed = operation
        self._context = context
        self._parent = os.getppid()
        self._stopping = stopping
        self._left = threading.Event()
        self._end: Exception | None = None
        """Exception that `progress` raises next, as the thread found out."""
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
        self.request = kind.asked(self._claimed.request)
        self._kind, self.state = kind, kind.resumed(self._claimed.checkpoint)

    def progress(self, done: int, total: int, state: Any = None, **fields: Any) -> None:
        """See `Job.progress`."""
        checkpoint = kept(fields if state is None else state)
        latest = self._operations.change(
            self._claimed, lambda operation: operation.progressed(done, total, checkpoint, identity.now())
        )
        self.state = self._kind.resumed(checkpoint)
        if latest.cancel_requested:
            raise Cancelled(latest.id)
        if self._stopping.is_set():
            raise Stopped("this process was asked to end")
        self._require_claim()

    def hold(self) -> None:
        """Writes the claim, in the transaction that is about to change something. Stopped when it is lost."""
        self._require_claim()
        self._operations.change(self._claimed, lambda operation: operation.stepped(identity.now()))

    def leave_as(self, change: Callable[[Operation, datetime], Operation]) -> None:
        """Leaves the operation to another process, if this one still has it."""
        self.leave()
        try:
            self._operations.change(self._claimed, lambda operation: change(operation, identity.now()))
        except (Stopped, *PASSING) as error:
            log.info("nothing to hand over", operation=self._claimed.id, error=str(error))

    def _require_claim(self) -> None:
        if os.getppid() != self._parent:
            raise Stopped("the worker is gone")
        if self._end is not None:
            raise self._end

    def _keep_claim(self) -> None:
        """Renews the claim until the job has ended. An orphan ends, because nobody counts on it any more."""
        renewed = had_parent = time.monotonic()
        with enter(self._context):
            while not self._left.wait(_LOOK_AT_PARENT_EVERY):
                now = time.monotonic()
                if os.getppid() != self._parent:
                    if now - had_parent > _ORPHAN_ENDS_AFTER:
                        log.error("the worker is gone, and the job does not stop", operation=self._claimed.id)
                        os._exit(Exit.TOO_LATE)
                    continue
                had_parent = now
                if now - renewed < _RENEW_EVERY:
                    continue
                renewed = now
                try:
                    self._operations.change(self._claimed, lambda operation: operation.renewed(identity.now()))
                except Stopped as lost:
                    self._end = lost
                    return
                except Exception as error:  # noqa: BLE001  (the claim may be renewed at the next attempt)
                    log.warning(
                        "claim not renewed", operation=self._claimed.id, error=f"{type(error).__name__}: {error}"
                    )
