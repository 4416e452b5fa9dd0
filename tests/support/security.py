"""The outcome of any call of any method, and things that belong to a tenant: what the security suites are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2
from kehu.common.v1 import error_reason_pb2

from libs.registry import SERVICES
from tests.support.contracts import methods, reads, rows, streams
from tests.support.examples import names_a_thing, request
from tests.support.lab import Caller, Failure, failure
from tests.support.stack import System

OK = grpc.StatusCode.OK
DOCUMENTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""Statuses that a caller with a good token may be told, whatever it sends, while nothing is broken."""

REASONS = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118
LEAKS = re.compile(r"Traceback|File \"|pymongo|[Mm]ongo|libs\.|services\.|Exception\b|Error\(")
OPEN = 1.0
"""Seconds after which a stream that says nothing counts as open."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """End of a call."""

    code: grpc.StatusCode
    response: Any = None
    refusal: Failure | None = None

    @property
    def reason(self) -> str:
        """The reason of a refusal."""
        return self.refusal.detail(error_details_pb2.ErrorInfo).reason if self.refusal else ""

    @property
    def text(self) -> str:
        """Text of a refusal."""
        return self.refusal.message if self.refusal else ""

    def complaints(self) -> Iterator[str]:
        """Faults in the form of the answer itself."""
        if self.code not in DOCUMENTED:
            yield f"{self.code.name}: {self.text}"
        elif self.refusal is not None:
            info = self.refusal.detail(error_details_pb2.ErrorInfo)
            if info.domain != "kehu" or info.reason not in REASONS:
                yield f"reason {info.domain}/{info.reason}"
            if LEAKS.search(str(self.refusal.status)):
                yield f"tells of our insides: {self.refusal.status}"


@dataclass(slots=True)
class Door:
    """Calls methods of any kind with one token."""

    stack: System
    token: str
    _callers: dict[str, Caller] = field(default_factory=dict)

    def call(self, method: MethodDescriptor, sent: Any, *, timeout: float = 10.0) -> Outcome:
        """The outcome. Of a stream, of its first message."""
        service = method.containing_service.file.package.split(".")[1]
        if service not in self._callers:
            self._callers[service] = Caller("", self.token, channel=self.stack.channel(service))
        caller = self._callers[service]
        try:
            if not streams(method):
                return Outcome(OK, caller.unary(method, sent, timeout=timeout))
            return _first(caller.stream(method, iter([sent]) if method.client_streaming else sent, timeout=OPEN))
        except Failure as refusal:
            return Outcome(refusal.code, refusal=refusal)

    def close(self) -> None:
        """Closes the channels."""
        for caller in self._callers.values():
            caller.channel.close()


def _first(call: Any) -> Outcome:
    try:
        return Outcome(OK, next(iter(call)))
    except StopIteration:
        return Outcome(OK)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Outcome(OK)
        raise failure(error) from None
    finally:
        call.cancel()


def needs_one(method: MethodDescriptor) -> bool:
    """Whether a call is about one thing that must exist in this service, and not what it kept of another's."""
    return method.output_type.fields_by_name.get("id") is not None


LONG_WORK = (
    "GetTouch",
    "GetWinBackAttempt",
    "GetBenefitUse",
    "GetErasureStatus",
    "GetRefolding",
    "GetCall",
    "GetAuditSample",
    "GetLeadModel",
    "GetResponse",
    "GetPipelineHealth",
    "GetPipelineModel",
)
"""Get what long work makes, some time after the call that starts it, or what comes of rows or of work that is done."""


def gets_one(method: MethodDescriptor) -> bool:
    """Whether a call answers with one thing that it names, which a call before has made."""
    one = needs_one(method) and names_a_thing(method) and not streams(method) and method.name not in LONG_WORK
    return one and re.match("Get(?!C[a-z]+C)", method.name) is not None


ENDS = re.compile(
    "Delete|Remove|Redact|Retire|"
    "End|Merge|Pause|Close|Cancel|(Refuse|Reject|Engage|Finish|Complete|Abandon|Transfer)[A-Z]"
)
"""Methods that end a thing of which others are tried, too."""
INSIDE = "sheet"
"""Field of an answer with the thing that a call has made, where the answer tells more than that."""


def sow(door: Door) -> dict[str, str]:
    """Makes one thing of each kind that can be made: prefix and full name of its message → id.

    Whoever needs the id of another thing is tried again in the next round, and who ends a customer comes last.
    """
    ids: dict[str, str] = {}
    makers = [
        m
        for service in SERVICES
        for m in methods(service)
        if not (reads(m) or rows(m) or streams(m) or ENDS.match(m.name))
        and not {"id", INSIDE}.isdisjoint(m.output_type.fields_by_name)
    ]
    enders = [m for m in makers if m.name == "RequestErasure"]
    for method in (*[m for m in makers if m not in enders] * 3, *enders):
        made = door.call(method, request(method, ids))
        if made.code is OK:
            harvest(made.response, ids)
    return ids


def harvest(made: Any, ids: dict[str, str]) -> None:
    """Notes the id of a thing and of those that it names, and a second one of each kind as `other_<prefix>`."""
    if INSIDE in made.DESCRIPTOR.fields_by_name:
        harvest(getattr(made, INSIDE), ids)
    for named, content in made.ListFields():
        if isinstance(content, str) and (found := re.fullmatch(r"([a-z]{2,8})_[0-9a-hjkmnp-tv-z]{26}", content)):
            if ids.setdefault(found[1], content) != content:
                ids.setdefault(f"other_{found[1]}", content)
            if named.name == "id":
                ids.setdefault(made.DESCRIPTOR.full_name, content)
