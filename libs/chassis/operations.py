"""Work that takes longer than a call: asked for in one, done by a worker, watched and cancelled by its id.

An operation belongs to one tenant, and of each kind at most one is pending or running there. A worker hands it to a
child process of its own, so that heavy computations neither hold up events nor stay in memory. Its progress is kept in
`state`, from which the next process goes on when one is killed: at every `Job.progress` the work up to there has to be
safe, and doing it once more has to be harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, cast

import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from kehu.common.v1 import operation_pb2 as pb

from libs.chassis import context, identity
from libs.chassis.codec import from_proto, to_proto
from libs.chassis.domain import Change, Entity, FailedPrecondition, Open, Sealed
from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Collection, Database, Index, KeyTaken
from libs.chassis.timers import NotYet, pause_after

COLLECTION: Final = "operations"
CLAIM: Final = timedelta(seconds=30)
"""Time after which a process without a sign of life loses its operation."""
FAILURES_COUNTED: Final = 12
"""Failures in a row of one kind of operation, after which the pause before the next one grows no more."""
FAILURE_WEIGHT: Final = 3
"""Failures of a timer's item that the pause after a failed operation begins with: it cost a process."""
RUNNING_PAUSE: Final = timedelta(seconds=10)
"""Pause of a timer that waits for an operation at work."""
ATTEMPTS: Final = 5
"""Processes that may die of an operation, one after the other without progress, before it is given up."""

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")

_JSON: Any = dict
ACTIVE = field("active") == True  # noqa: E712  (a condition, not a comparison)
_INDEXES = (
    Index(("-create_time",)),
    Index(("kind", "-create_time")),
    Index(("state", "-create_time")),
    Index(("kind",), unique=True, only=ACTIVE),
    Index(("claimable_time",), only=ACTIVE, every_tenant=True),
)
_FILTER = FilterSpec({"kind": str})


class Cancelled(Exception):
    """Somebody cancelled the operation. The job ends here."""


class Stopped(Exception):
    """This process has to end, or another one took over. The operation goes on elsewhere."""


class OperationRunning(FailedPrecondition):
    """{kind} is at work already, as {operation_id}: wait for its end or cancel it."""

    operation_id: str
    kind: str


class OperationState(StrEnum):
    """State of an operation."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Entity):
    """One piece of long work."""

    ID_PREFIX: ClassVar[str] = "op"

    kind: str
    request: bytes
    """The request that started it, as a serialized `google.protobuf.Any`."""
    started_by: str
    scopes: Open[tuple[str, ...]] = ()
    """The scopes of who started it, which it calls other services with."""
    state: OperationState = OperationState.PENDING
    active: bool = True
    """True while it is pending or running."""
    done: int = 0
    total: int = 0
    checkpoint: Sealed[str] = "{}"
    """Checkpoint from which the job goes on, as JSON."""
    cancel_requested: bool = False
    owner: Open[str] = ""
    """The process that is at it."""
    epoch: int = 0
    """Claims so far: what the holder of an earlier one writes is refused."""
    steps: int = 0
    """Transactions of the present claim. Each raises it, so that none commits beside a takeover."""
    claimable_time: datetime
    """Time from which any process may take it."""
    attempts: int = 0
    """Processes that took it since it last got further."""
    interruptions: int = 0
    """Times that it was interrupted by what passes, since it last got further."""
    result: bytes = b""
    """A serialized `google.protobuf.Any`."""
    error: bytes = b""
    """A serialized `google.rpc.Status`."""
    end_time: datetime | None = None

    def claimed(self, owner: str, at: datetime) -> Operation:
        """Taken by a process for a while. Stopped when another one is at it."""
        if not self.active or self.claimable_time > at:
            raise Stopped(f"{self.id} is {self.state} with {self.owner}")
        return replace(
            self,
            state=OperationState.RUNNING,
            owner=owner,
            claimable_time=at + CLAIM,
            attempts=self.attempts + 1,
            epoch=self.epoch + 1,
            steps=0,
        )

    def renewed(self, at: datetime) -> Operation:
        """Kept by its process for another while."""
        return replace(self, claimable_time=at + CLAIM)

    def stepped(self, at: datetime) -> Operation:
        """Before one more transaction of its process."""
        return replace(self.renewed(at), steps=self.steps + 1)

    def progressed(self, done: int, total: int, checkpoint: str, at: datetime) -> Operation:
        """So far done, in a way that the next process can go on from."""
        further = replace(self, done=done, total=total, checkpoint=checkpoint, attempts=0, interruptions=0)
        return further.renewed(at)

    def handed_over(self, at: datetime) -> Operation:
        """For any process to take at once."""
        return replace(self, claimable_time=at, owner="")

    def interrupted(self, at: datetime) -> Operation:
        """For any process to take after a pause. What stopped this one passes, so it does not count as an attempt."""
        pause = pause_after(self.interruptions + 1)
        return replace(
            self,
            owner="",
            claimable_time=at + pause,
            attempts=max(0, self.attempts - 1),
            interruptions=self.interruptions + 1,
        )

    def ended(self, state: OperationState, at: datetime, *, result: bytes = b"", error: bytes = b"") -> Operation:
        """At its end."""
        return replace(self, state=state, active=False, result=result, error=error, end_time=at, owner="")


class Job(Protocol[R_co, S]):
    """The work of one operation, as the function that does it is given."""

    @property
    def request(self) -> R_co:
        """The request that started the operation."""

    @property
    def state(self) -> S:
        """The checkpoint that `progress` was given last. At the beginning one with all its defaults."""

    def progress(self, done: int, total: int, state: S | None = None, **fields: Any) -> None:
        """Tells how far it is and saves the checkpoint from which the next process goes on.

        Cancelled or Stopped end the job. Call it after every batch; it costs one write.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationKind(Generic[R, S]):
    """One kind of long work of a service."""

    name: str
    request: type[Message]
    """The message that starts it."""
    run: Callable[[Job[R, S]], object]
    """Does the work and returns the result. A DomainError fails the operation with its reason."""
    result: type[Message] | None = None
    """The message that the result is told with. Without one, `run` returns a message itself."""
    asks: type[R] | None = None
    """The dataclass that the job is given of the request. Without one, it is given the message."""
    state: type[S] = _JSON
    """The dataclass of its checkpoints, each field with a default. Kept as JSON, so that a later release reads it."""

    def asked(self, packed: bytes) -> R:
        """The request of the job, from a serialized `google.protobuf.Any`."""
        message = self.request()
        AnyMessage.FromString(packed).Unpack(message)
        return cast(R, message) if self.asks is None else from_proto(self.asks, message)

    def resumed(self, checkpoint: str) -> S:
        """The state in a checkpoint."""
        return msgspec.json.decode(checkpoint, type=self.state)

    def told(self, result: object) -> bytes:
        """A result, as a serialized `google.protobuf.Any`."""
        packed = AnyMessage()
        packed.Pack(cast(Message, result) if self.result is None else to_proto(result, self.result))
        return packed.SerializeToString()


class Operations:
    """The operations of one service. Any number of these share the collection of their database."""

    def __init__(self, database: Database) -> None:
        if COLLECTION not in database.collections:
            database.collection(Operation, COLLECTION, indexes=_INDEXES, publishes=False)
        self._database = database
        self.collection: Collection[Operation] = database.collections[COLLECTION]

    def start(self, kind: str, request: Message, *, along: Callable[[], object] | None = None) -> Operation:
        """Starts an operation, and makes the change `along` in the same transaction.

        OperationRunning while another one of this kind is at work.
        """
        asked = AnyMessage()
        asked.Pack(request)
        here, at = context.current(), identity.now()
        operation = Operation(
            id="",
            kind=kind,
            request=asked.SerializeToString(deterministic=True),
            started_by=here.actor,
            scopes=tuple(sorted(here.scopes)),
            claimable_time=at,
        )

        def begin(id: str) -> Change[Operation]:
            return replace(operation, id=id), []

        def work() -> Operation:
            started = self.collection.insert(begin)
            if along is not None:
                along()
            return started

        try:
            return work() if along is None else self._database.transact(work)
        except KeyTaken:
            other = self.collection.find_one(all_of(field("kind") == kind, ACTIVE))
            id = other.id if other is not None else "one that just ended"
            raise OperationRunning(operation_id=id, kind=kind) from None

    def start_again(self, kind: str, request: Message) -> Operation:
        """A new operation that a timer asks for, however often the ones before it failed.

        NotYet while one of this kind is at work, and for a pause that grows with every failure in a row.
        """
        latest = self.collection.find(field("kind") == kind, order="-create_time", limit=FAILURES_COUNTED)
        failed = list(takewhile(lambda each: each.state is OperationState.FAILED, latest))
        if failed and failed[0].end_time is not None:
            until = failed[0].end_time + pause_after(len(failed) + FAILURE_WEIGHT)
            if until > identity.now():
                raise NotYet(until, f"{kind} failed {len(failed)} times in a row, at last as {failed[0].id}")
        if latest and latest[0].active:
            raise NotYet(identity.now() + RUNNING_PAUSE, f"{kind} is at work as {latest[0].id}")
        return self.start(kind, request)

    def get(self, id: str) -> Operation:
        """One operation."""
        return self.collection.get(id)

    def list(self, filter: str, wanted: PageRequest) -> Page[Operation]:
        """A page of operations, the newest first."""
        return self.collection.page(parse(filter, _FILTER), wanted, order="-create_time")

    def cancel(self, id: str) -> Operation:
        """The operation, which ends soon if it has not ended yet."""

        def cancelled(operation: Operation) -> Change[Operation]:
            if not operation.active:
                return operation, []
            if operation.state is OperationState.PENDING:
                return operation.ended(OperationState.CANCELLED, identity.now()), []
            return replace(operation, cancel_requested=True), []

        return self._update(id, cancelled)

    def _update(self, id: str, change: Callable[[Operation], Change[Operation]]) -> Operation:
        return self.collection.update(id, change)


def kept(state: object) -> str:
    """A checkpoint as it is stored."""
    return msgspec.json.encode(state).decode()


def to_message(operation: Operation) -> pb.Operation:
    """The operation as callers get it."""
    message = pb.Operation(
        id=operation.id,
        kind=operation.kind,
        state=pb.Operation.State.Value(f"STATE_{operation.state}"),
        done=operation.done,
        total=operation.total,
        request=AnyMessage.FromString(operation.request),
        cancel_requested=operation.cancel_requested,
        started_by=operation.started_by,
    )
    for name in ("create_time", "update_time", "end_time"):
        if (at := getattr(operation, name)) is not None:
            getattr(message, name).FromDatetime(at)
    if operation.result:
        message.result.ParseFromString(operation.result)
    if operation.error:
        message.error.CopyFrom(Status.FromString(operation.error))
    return message
