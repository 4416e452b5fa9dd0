"""Errors that a refused call raises. Every class says what a program should do.

    KehuError                   the root: code, reason, metadata, request_id
    ├── InvalidArgument         the request is wrong: change it
    │   └── FieldErrors         these fields of it are: `.fields`
    ├── NotFound                no such entity for this tenant
    ├── AlreadyExists           the key is taken
    ├── PreconditionFailed      the state of the entity forbids it: `.reason` tells what would allow it
    ├── Conflict                somebody changed the entity meanwhile: read again, decide again (`edit_…` does)
    ├── PermissionDenied        the access token lacks the scope that the message names
    ├── Unauthenticated         no access token, or one that does not verify
    ├── TooLarge                the request or the answer is larger than a message may be: ask for less at a time
    ├── RateLimited             the service is full: come back after `.retry_after`
    ├── Unavailable             nobody answers now: the call may or may not have been applied
    │   └── Untrusted           whoever answers shows a certificate that is not believed: `.reason` tells why
    ├── DeadlineExceeded        no answer in time: the call may or may not have been applied
    └── ServerFault             a defect of ours: report `.request_id`

A mutating call that ended in Unavailable or DeadlineExceeded is safely repeated with the same `request_id`, which the
error carries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request."""

    path: str
    """Path of the field, for example `customer.contact_points[0].raw`."""
    description: str
    """The fault, and what is allowed."""
    reason: str = ""
    """A name for programs, for example `string.max_len`."""


class KehuError(Exception):
    """A call was refused or got no answer."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode,
        method: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        request_id: str = "",
        retry_after: timedelta | None = None,
        fields: tuple[FieldError, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """The canonical gRPC code."""
        self.method = method
        """The method that was called, for example `/kehu.profiles.v1.CustomersService/GetCustomer`."""
        self.reason = reason
        """A name from `kehu.common.v1.ErrorReason`, without its prefix. Empty when no service answered."""
        self.metadata = dict(metadata or {})
        """Every value that the message mentions."""
        self.request_id = request_id
        """Idempotency key of the call, or else the name that the server gave it, to be quoted in a report."""
        self.retry_after = retry_after
        """Pause that the server asks for. None when it asks for none."""
        self.fields = fields
        """The wrong fields. Empty unless this is FieldErrors."""

    def __str__(self) -> str:
        return self.message or self.code.name


class InvalidArgument(KehuError):
    """The request is wrong whatever the state of the system."""


class FieldErrors(InvalidArgument):
    """Fields of the request are wrong. `.fields` names them all."""

    def __str__(self) -> str:
        return "; ".join(f"{error.path}: {error.description}" for error in self.fields)


class NotFound(KehuError):
    """No such entity for this tenant."""


class AlreadyExists(KehuError):
    """The key is taken by something else."""


class PreconditionFailed(KehuError):
    """The state of the entity forbids this."""


class Conflict(KehuError):
    """Somebody changed the entity meanwhile."""


class PermissionDenied(KehuError):
    """The access token lacks a scope, which the message names."""


class Unauthenticated(KehuError):
    """No access token, or one that does not verify."""


class TooLarge(KehuError):
    """The request or the answer is larger than a message may be: ask for less at a time."""


class RateLimited(KehuError):
    """The service is full. Come back after `.retry_after`."""


class Unavailable(KehuError):
    """Nobody answers now. The call may or may not have been applied."""


class Untrusted(Unavailable):
    """The server shows a certificate that is not believed, so nothing was sent. `.reason` is CERTIFICATE_EXPIRED,
    CERTIFICATE_OF_ANOTHER_NAME, CERTIFICATE_OF_UNKNOWN_AUTHORITY or CERTIFICATE_REFUSED."""


class DeadlineExceeded(KehuError):
    """No answer in time. The call may or may not have been applied."""


class ServerFault(KehuError):
    """A defect on the server's side. Report `.request_id`."""


_BY_CODE: Mapping[grpc.StatusCode, type[KehuError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionFailed,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RateLimited,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,  # not by us: a server that stops, or a proxy, let go of the call
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: ServerFault,
    grpc.StatusCode.UNKNOWN: ServerFault,
    grpc.StatusCode.DATA_LOSS: ServerFault,
    grpc.StatusCode.UNIMPLEMENTED: ServerFault,
}
_TOO_LARGE = "message larger than max"
"""The words of grpc itself when it refuses a message, with the code of a service that is full."""
_DISTRUST: Mapping[str, str] = {
    "CERTIFICATE_VERIFY_FAILED: certificate has expired": "CERTIFICATE_EXPIRED",
    "Hostname Verification Check failed": "CERTIFICATE_OF_ANOTHER_NAME",
    "CERTIFICATE_VERIFY_FAILED: unable to get local issuer": "CERTIFICATE_OF_UNKNOWN_AUTHORITY",
    "CERTIFICATE_VERIFY_FAILED: self signed certificate": "CERTIFICATE_OF_UNKNOWN_AUTHORITY",
    "CERTIFICATE_VERIFY_FAILED: self-signed certificate": "CERTIFICATE_OF_UNKNOWN_AUTHORITY",
    "CERTIFICATE_VERIFY_FAILED": "CERTIFICATE_REFUSED",
}
"""The words of grpc itself about a certificate → the reason that a program is told."""
_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc(error: grpc.RpcError, *, method: str = "", request_id: str = "") -> KehuError:
    """The typed form of what grpc raised for `method`."""
    status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
    trailers: Any = error.trailing_metadata() or ()
    details = dict(trailers).get(_DETAILS)
    if isinstance(details, bytes):
        with contextlib.suppress(DecodeError):  # a proxy in between may cut trailers: code and message still stand
            status = status_pb2.Status.FromString(details)
    return from_status(status, method=method, request_id=request_id)


def _distrust(message: str) -> str:
    return next((reason for words, reason in _DISTRUST.items() if words in message), "")


def from_status(status: status_pb2.Status, *, method: str = "", request_id: str = "") -> KehuError:
    """The typed form of a status, which one row of a bulk call carries in the same way as a refused call."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason, metadata = "", dict[str, str]()
    retry_after: timedelta | None = None
    fields: tuple[FieldError, ...] = ()
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            fields = tuple(FieldError(v.field, v.description, v.reason) for v in bad.field_violations)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry_after = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay.ToTimedelta()
        elif detail.Is(error_details_pb2.RequestInfo.DESCRIPTOR):
            request_id = request_id or error_details_pb2.RequestInfo.FromString(detail.value).request_id
    kind = _BY_CODE.get(code, KehuError)
    if kind is Unavailable and not reason and (reason := _distrust(status.message)):
        kind = Untrusted
    if fields and kind is InvalidArgument:
        kind = FieldErrors
    elif reason == "RESPONSE_TOO_LARGE" or (kind is RateLimited and not reason and _TOO_LARGE in status.message):
        kind = TooLarge
    return kind(
        status.message,
        code=code,
        method=method,
        reason=reason,
        metadata=metadata,
        request_id=request_id,
        retry_after=retry_after,
        fields=fields,
    )
