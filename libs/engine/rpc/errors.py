"""Stage 6, errors: the one table from what code raises to what a caller is told.

Every status carries exactly one `ErrorInfo` of the domain `kehu`, whose reason is a name of
`kehu.common.v1.ErrorReason`, and the details of its kind. The text of an exception that is not ours never leaves.
"""

from __future__ import annotations

from typing import NoReturn

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from libs.chassis.domain import DomainError
from libs.chassis.status import make_status
from libs.chassis.status import status_of as refusal_status
from libs.chassis.store import Contention, RelayBehind
from libs.engine.access import Unauthenticated
from libs.engine.outage import is_outage
from libs.engine.rpc.call import Call

DETAILS_KEY = "grpc-status-details-bin"
RETRY_AFTER = 0.25
"""Seconds after which a call that met an outage may be tried again."""
RELAY_RETRY_AFTER = 5.0
"""The same for an entity with too many events that wait for the bus."""

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


Metadata = tuple[tuple[str, str | bytes], ...]


class Overloaded(Exception):
    """The call is refused to protect the others. It may be sent again after `retry_after` seconds."""

    def __init__(self, message: str, *, cause: str, retry_after: float) -> None:
        super().__init__(message)
        self.cause = cause
        self.retry_after = retry_after


class Unavailable(Exception):
    """This process cannot serve the call now, another one or a later one can."""


class DeadlineExceeded(Exception):
    """The time that the call had is used up."""


class TooManyWatchers(Exception):
    """Nobody else is told how the server's health is.

    Clients take a server that does not tell for healthy.
    """


class Incomplete(Exception):
    """The request of the call did not arrive in time, so nothing was done."""


def status_of(error: BaseException, *, request_id: str = "") -> status_pb2.Status:
    """The `google.rpc.Status` of an error, whole or for one row of a bulk answer. `request_id` is named in defects."""
    match error:
        case DomainError():
            return refusal_status(error)
        case Unauthenticated():
            return make_status(code_pb2.UNAUTHENTICATED, str(error), "UNAUTHENTICATED")
        case Overloaded():
            retry = _retry(error.retry_after)
            return make_status(
                code_pb2.RESOURCE_EXHAUSTED, str(error), "OVERLOADED", retry, metadata={"cause": error.cause}
            )
        case Unavailable():
            return make_status(code_pb2.UNAVAILABLE, str(error), "UNAVAILABLE", _retry(RETRY_AFTER))
        case RelayBehind():
            text = f"{error}; nothing was changed, try again later"
            return make_status(code_pb2.UNAVAILABLE, text, "RELAY_BEHIND", _retry(RELAY_RETRY_AFTER))
        case Contention():
            text = "others change the same things at once; repeat it with its request_id"
            return make_status(code_pb2.ABORTED, text, "REVISION_MISMATCH", _retry(RETRY_AFTER))
        case TooManyWatchers():
            return make_status(code_pb2.UNIMPLEMENTED, str(error), "TOO_MANY_WATCHERS")
        case Incomplete():
            return make_status(code_pb2.DEADLINE_EXCEEDED, str(error), "REQUEST_INCOMPLETE")
        case DeadlineExceeded():
            return make_status(code_pb2.DEADLINE_EXCEEDED, "the deadline passed", "DEADLINE_EXCEEDED")
    if is_outage(error):
        text = "a store or the bus does not answer; the request may have been applied, repeat it with its request_id"
        return make_status(code_pb2.UNAVAILABLE, text, "UNAVAILABLE", _retry(RETRY_AFTER))
    request = error_details_pb2.RequestInfo(request_id=request_id)
    return make_status(code_pb2.INTERNAL, f"internal error in request {request_id}", "INTERNAL", request)


def reason_of(status: status_pb2.Status) -> str:
    """The reason inside the status's `ErrorInfo`."""
    info = error_details_pb2.ErrorInfo()
    return info.reason if status.details[0].Unpack(info) else ""


def conclude(call: Call, error: BaseException) -> status_pb2.Status:
    """Notes on the call how it fails, and returns the status that tells its caller."""
    status = status_of(error, request_id=call.request_id)
    call.code = grpc_code(status).name
    call.reason = reason_of(status)
    if call.code == "INTERNAL" or is_outage(error):
        call.error = error
    return status


def abort(context: grpc.ServicerContext, status: status_pb2.Status, metadata: Metadata = ()) -> NoReturn:
    """Ends the call with the status, by an exception that grpc knows."""
    context.set_trailing_metadata((*metadata, (DETAILS_KEY, status.SerializeToString())))
    context.abort(grpc_code(status), status.message)


def grpc_code(status: status_pb2.Status) -> grpc.StatusCode:
    """The code of the status as grpc names it."""
    return _STATUS_CODES[status.code]


def _retry(seconds: float) -> error_details_pb2.RetryInfo:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(round(seconds * 1000))
    return retry
