"""The knowledge of the stages: the method, worked out before the server starts, and the call, which they fill in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from libs.chassis.scopes import scope_of
from libs.chassis.serving import COST
from libs.engine.access import NOBODY, Principal
from libs.engine.rpc.shown import Exit
from libs.tracing import Span


class Priority(Enum):
    """The part of the server's capacity that calls of a kind may fill: what matters least is refused first."""

    READ = 1.0
    WRITE = 0.9
    REPEAT = 0.75
    """A write that the client sends again: the first attempt may still be at work."""
    BULK = 0.5


@dataclass(slots=True, kw_only=True)
class Method:
    """One method of a servicer, with everything about it that does not depend on the call."""

    path: str
    """For example `/kehu.profiles.v1.CustomersService/GetCustomer`."""
    kind: str
    """UNARY, CLIENT_STREAMING, SERVER_STREAMING or BIDI_STREAMING."""
    scope: str
    """The scope that a bearer token has to cover, empty for methods that anybody may call."""
    priority: Priority
    request: type[Message]
    commands: bool
    """Requests carry a `request_id`."""
    serve: Callable[[Any, grpc.ServicerContext], Any]
    """The servicer's own code."""
    shown: Exit
    """Gives of a response what its caller may see."""
    cost: Callable[[Any], float] | None = None
    """Seconds of computing that a request asks for, at most, or None where all cost next to nothing."""
    seconds: float = 0.0
    """Moving average of the time that this code takes."""
    service: str = field(init=False)
    """Full name of the service."""
    labels: tuple[str, str, str] = field(init=False)
    """The values of the labels grpc_type, grpc_service and grpc_method."""
    streams: bool = field(init=False)
    """A call may last."""
    pages: bool = field(init=False)
    """An answer is a page, of which a smaller one can be asked for."""
    takes_many: bool = field(init=False)
    """A call brings any number of requests, also none."""

    def __post_init__(self) -> None:
        _, self.service, name = self.path.split("/")
        self.labels = (self.kind, self.service, name)
        self.streams = self.kind != "UNARY"
        self.pages = not self.streams and "page_size" in self.request.DESCRIPTOR.fields_by_name
        self.takes_many = self.kind in ("CLIENT_STREAMING", "BIDI_STREAMING")


def describe(
    descriptor: MethodDescriptor, serve: Callable[[Any, grpc.ServicerContext], Any], service: str = ""
) -> Method:
    """The method of a descriptor as `service` serves it. LookupError when its proto does not say who may call it."""
    return _describe(descriptor, serve, scope_of(descriptor, service))


def describe_public(descriptor: MethodDescriptor) -> Method:
    """The method of a descriptor that anybody may call, and that no servicer serves."""
    return _describe(descriptor, lambda *_: None, "")


def _describe(descriptor: MethodDescriptor, serve: Callable[[Any, grpc.ServicerContext], Any], scope: str) -> Method:
    kinds = {
        (False, False): "UNARY",
        (True, False): "CLIENT_STREAMING",
        (False, True): "SERVER_STREAMING",
        (True, True): "BIDI_STREAMING",
    }
    return Method(
        path=f"/{descriptor.containing_service.full_name}/{descriptor.name}",
        kind=kinds[descriptor.client_streaming, descriptor.server_streaming],
        scope=scope,
        priority=_priority(descriptor),
        request=GetMessageClass(descriptor.input_type),
        commands="request_id" in descriptor.input_type.fields_by_name,
        serve=serve,
        cost=getattr(serve, COST, None),
        shown=Exit(descriptor),
    )


def _priority(descriptor: MethodDescriptor) -> Priority:
    rows = any(
        f.message_type is not None and f.message_type.full_name == "kehu.common.v1.RowOutcome"
        for f in descriptor.output_type.fields
    )
    if rows:
        return Priority.BULK
    if descriptor.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        return Priority.READ
    return Priority.WRITE


@dataclass(slots=True)
class Call:
    """One call from arrival to end."""

    method: Method
    request_id: str
    """The id of this call in logs and answers (`x-request-id`), not the `request_id` of a command."""
    token: str
    parent: str = ""
    """The trace that the caller says it belongs to."""
    span: Span = field(default_factory=lambda: Span(""))
    """The record of the call, empty while the caller is not known."""
    repeated: bool = False
    """The client's library sends it for another time."""
    arrived: float = field(default_factory=time.perf_counter)
    principal: Principal = NOBODY
    certificate: str = ""
    """The name in the certificate of the client. Empty where clients need none."""
    waited: float = 0.0
    """Seconds until a thread took it up."""
    expires: float = float("inf")
    """The moment when the time of the call is used up, on the clock of `time.monotonic`."""
    code: str = "CANCELLED"
    """The status it ended with, which stays CANCELLED when the caller went away before its turn."""
    reason: str = ""
    error: BaseException | None = None
    """The defect or outage that it met."""


current_call: ContextVar[Call] = ContextVar("kehu_call")
"""grpc runs each call in a `contextvars.Context` of its own, from arrival on, so nothing has to be reset."""
