"""Calls of one service to another: its own identity, on behalf of whom it works for.

    calls = Calls("profiles")
    page = calls.to("interactions").list_timeline(customer_id=id, page_size=20)

`calls.to(…)` offers what the client does, of which a service uses the unary methods. The tenant, the caller and the
caller's scopes are those of the context, the callee gets the time that is left, and the idempotency key follows from
the command that is served, so that a repeat of the command repeats the same calls. The address comes from
KEHU_TARGET_<SERVICE>.

An api process and the child of an operation may call, a worker not; a service calls only what its line in
`libs/registry.py` names. Whoever is called decides by the scopes of the caller, and sees who acts for whom.
A process that serves TLS calls others with it too.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from threading import Lock
from typing import Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from libs import client, tracing
from libs.chassis import context, domain
from libs.client.calls import Caller
from libs.client.channel import connect
from libs.client.client import descriptors
from libs.client.service import Service
from libs.engine.crash import crash_point
from libs.engine.rpc import deadline, errors, onward
from libs.engine.tls import VARIABLES, Tls
from libs.registry import registered, target_variable

TIMEOUT: Final = 10.0
"""Seconds for a call by what has no deadline."""
SHARE: Final = 0.9
"""Share of the time left that a call may take, so that there is time to tell how it ended."""
ONCE: Final = client.Retry(attempts=1)
"""No repeats: whoever called us repeats, and a service that is away is not waited for."""
_NAMESPACE: Final = uuid.UUID("5f1c8a52-7c0a-4b7e-9d0e-3a52b1f0c7d4")
_SEPARATOR: Final = "\0"
_REFUSALS: Final[Mapping[type[client.KehuError], type[domain.DomainError]]] = {
    client.InvalidArgument: domain.InvalidArgument,
    client.AlreadyExists: domain.AlreadyExists,
    client.PreconditionFailed: domain.FailedPrecondition,
    client.Conflict: domain.Conflict,
    client.PermissionDenied: domain.PermissionDenied,
}
"""Refusal of the callee → refusal that our own caller is told, with the same reason."""


class CallNotDeclared(domain.FailedPrecondition):
    """The service {service} does not declare that it calls {callee}: add it to `calls` of its line in the registry."""

    service: str
    callee: str


class CallOutOfPlace(domain.FailedPrecondition):
    """The service {service} may not call {callee} here: only an api process and an operation call other services."""

    service: str
    callee: str


class PeerUnknown(domain.FailedPrecondition):
    """It is not known where {callee} is: set {variable} for {service}."""

    callee: str
    variable: str
    service: str


class AbsentElsewhere(domain.NotFound):
    """The service {callee} has no {kind} {id}."""

    callee: str
    kind: str
    id: str


class Calls:
    """The services that one service calls. Thread safe, and meant to be kept."""

    def __init__(self, service: str, environ: Mapping[str, str] = os.environ) -> None:
        self._service = service
        self._environ = environ
        self._peers: dict[str, Service] = {}
        self._lock = Lock()

    def to(self, callee: str) -> Service:
        """Returns the methods of a service. CallNotDeclared, CallOutOfPlace or PeerUnknown when it cannot be called."""
        if callee not in registered(self._service).calls:
            raise CallNotDeclared(service=self._service, callee=callee)
        if onward.speaker() is None:
            raise CallOutOfPlace(service=self._service, callee=callee)
        target = self._environ.get(target_variable(callee), "")
        if not target:
            raise PeerUnknown(callee=callee, variable=target_variable(callee), service=self._service)
        with self._lock:
            if callee not in self._peers:
                tls = Tls.of(self._environ) if VARIABLES["certificate"] in self._environ else None
                caller = _OnBehalf(self._service, callee, target, tls)
                self._peers[callee] = Service(callee, descriptors(callee), caller)
            return self._peers[callee]

    def key(self, method: str, step: str = "") -> str:
        """Returns the idempotency key of a call to a method, for a command that makes several: name each `step`."""
        return _key(self._service, method, step)


class _OnBehalf(Caller):
    """Makes the calls to one service on behalf of whom the context names."""

    def __init__(self, service: str, callee: str, target: str, tls: Tls | None) -> None:
        super().__init__(connect(target, tls=tls), token=self._token_now, timeout=TIMEOUT, retry=ONCE)
        self._service = service
        self._callee = callee

    def unary(self, method: MethodDescriptor, request: Message, *, timeout: float | None = None) -> Message:
        """The response in the time that is left. A refusal of the callee is one of ours, with the same reason."""
        left = min(deadline.remaining() * SHARE, TIMEOUT if timeout is None else timeout)
        if left <= 0:
            raise errors.DeadlineExceeded(f"no time was left to call {self._callee}")
        try:
            answer = super().unary(method, request, timeout=left)
        except client.KehuError as error:
            raise _ours(error, self._callee) from error
        crash_point("calls.after_call")
        return answer

    def new_request_id(self, method: MethodDescriptor) -> str:
        """Returns the same key for every repeat of the command that is served."""
        return _key(self._service, method.full_name, "")

    def _token_now(self) -> str:
        speaker, here = onward.speaker(), context.current()
        if speaker is None:
            raise CallOutOfPlace(service=self._service, callee=self._callee)
        return speaker.token(subject=here.actor, tenant=here.tenant, scopes=here.scopes)

    def _metadata(self, call_id: str, attempt: int = 1) -> tuple[tuple[str, str], ...]:
        correlation = context.current().correlation_id or call_id
        metadata = super()._metadata(correlation, attempt)
        parent = tracing.traceparent()
        return (*metadata, (tracing.HEADER, parent)) if parent else metadata


def _key(service: str, method: str, step: str) -> str:
    here = context.current()
    origin = here.command.key if here.command is not None else here.correlation_id
    if not origin:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_NAMESPACE, _SEPARATOR.join([here.tenant, here.actor, service, origin, method, step])))


def _ours(error: client.KehuError, callee: str) -> Exception:
    """Returns what our own caller is told when another service refuses or does not answer."""
    if isinstance(error, client.NotFound):
        told = error.metadata
        return AbsentElsewhere(callee=callee, kind=told.get("kind", "such thing"), id=told.get("id", ""))
    if isinstance(error, client.DeadlineExceeded):
        return errors.DeadlineExceeded(f"{callee} did not answer in time")
    for kind, ours in _REFUSALS.items():
        if isinstance(error, kind):
            return ours(error.message, reason=error.reason or None, **error.metadata)
    return errors.Unavailable(f"{callee} does not answer: {error.code.name}")
