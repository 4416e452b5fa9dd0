"""Refusals as callers are told them, for a whole call or for one row of a bulk answer.

Every status carries exactly one `ErrorInfo` of the domain `kehu`, whose reason is a name of
`kehu.common.v1.ErrorReason`, and the details of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from libs.chassis.domain import (
    AlreadyExists,
    Conflict,
    DomainError,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)

DOMAIN: Final = "kehu"
# Clients accept 8 KiB of metadata in all: the message (three bytes per byte when percent-encoded), the same again
# inside the details, and the details in base 64.
_LONGEST_TEXT: Final = 300
_MOST_DETAIL: Final = 2000
_CODES: Final[Mapping[type[DomainError], int]] = {
    InvalidArgument: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    AlreadyExists: code_pb2.ALREADY_EXISTS,
    FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    Conflict: code_pb2.ABORTED,
    PermissionDenied: code_pb2.PERMISSION_DENIED,
}


def status_of(error: DomainError) -> status_pb2.Status:
    """The `google.rpc.Status` of a refusal."""
    details: list[Message] = []
    match error:
        case InvalidArgument(violations=violations) if violations:
            details = [_bad_request(violations)]
        case NotFound(kind=kind, id=id):
            named = error_details_pb2.ResourceInfo(resource_type=kind, resource_name=id[:_LONGEST_TEXT])
            details = [named]
        case FailedPrecondition():
            unmet = error_details_pb2.PreconditionFailure.Violation(
                type=error.reason_code,
                subject=next(iter(error.metadata.values()), "")[:_LONGEST_TEXT],
                description=error.message[:_LONGEST_TEXT],
            )
            details = [error_details_pb2.PreconditionFailure(violations=[unmet])]
    code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
    return make_status(code, error.message, error.reason_code, *details, metadata=error.metadata)


def _bad_request(violations: Sequence[FieldViolation]) -> error_details_pb2.BadRequest:
    """As many violations as fit into the metadata that clients accept, the first ones."""
    wrong = error_details_pb2.BadRequest()
    for violation in violations:
        wrong.field_violations.add(
            field=violation.field[:_LONGEST_TEXT],
            description=violation.description[:_LONGEST_TEXT],
            reason=violation.reason,
        )
        if wrong.ByteSize() > _MOST_DETAIL:
            del wrong.field_violations[-1]
            break
    return wrong


def make_status(
    code: int, message: str, reason: str, *details: Message, metadata: Mapping[str, str] = MappingProxyType({})
) -> status_pb2.Status:
    """A status with its reason and further details, cut to what clients accept."""
    status = status_pb2.Status(code=code, message=message[:_LONGEST_TEXT])
    shown = {name: value[:_LONGEST_TEXT] for name, value in metadata.items()}
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=shown), *details):
        status.details.add().Pack(detail)
    return status
