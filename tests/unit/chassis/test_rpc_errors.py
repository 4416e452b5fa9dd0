"""The one table from what code raises to what a caller is told."""

from __future__ import annotations

from typing import Any

import amqp.exceptions
import pymongo.errors
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from kehu.common.v1 import error_reason_pb2

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
from libs.chassis.store import Contention, RelayBehind
from libs.engine.access import Unauthenticated
from libs.engine.rpc.errors import DeadlineExceeded, Overloaded, Unavailable, reason_of, status_of
from tests.support.ledger import Account

REASONS = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118

CASES: list[tuple[Exception, str, str, list[type[Any]]]] = [
    (
        InvalidArgument.field("a.b[0]", "must be one of X, Y"),
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        [error_details_pb2.BadRequest],
    ),
    (InvalidArgument("no", reason="PAGE_TOKEN_INVALID"), "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", []),
    (NotFound(Account, "acc_1"), "NOT_FOUND", "NOT_FOUND", [error_details_pb2.ResourceInfo]),
    (AlreadyExists("taken", value="x"), "ALREADY_EXISTS", "ALREADY_EXISTS", []),
    (
        FailedPrecondition("is closed; reopen it first", id="case_1"),
        "FAILED_PRECONDITION",
        "FAILED_PRECONDITION",
        [error_details_pb2.PreconditionFailure],
    ),
    (Conflict("changed meanwhile", revision=7), "ABORTED", "REVISION_MISMATCH", []),
    (PermissionDenied("needs x", scope="x"), "PERMISSION_DENIED", "PERMISSION_DENIED", []),
    (Unauthenticated("no token"), "UNAUTHENTICATED", "UNAUTHENTICATED", []),
    (
        Overloaded("full", cause="in_flight", retry_after=0.25),
        "RESOURCE_EXHAUSTED",
        "OVERLOADED",
        [error_details_pb2.RetryInfo],
    ),
    (Unavailable("stops"), "UNAVAILABLE", "UNAVAILABLE", [error_details_pb2.RetryInfo]),
    (RelayBehind("257 events of cus_1 wait"), "UNAVAILABLE", "RELAY_BEHIND", [error_details_pb2.RetryInfo]),
    (Contention("customers cus_1"), "ABORTED", "REVISION_MISMATCH", [error_details_pb2.RetryInfo]),
    (DeadlineExceeded(), "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", []),
    (
        pymongo.errors.ServerSelectionTimeoutError("no primary at canary"),
        "UNAVAILABLE",
        "UNAVAILABLE",
        [error_details_pb2.RetryInfo],
    ),
    (pymongo.errors.NetworkTimeout("canary"), "UNAVAILABLE", "UNAVAILABLE", [error_details_pb2.RetryInfo]),
    (pymongo.errors.WaitQueueTimeoutError("canary"), "UNAVAILABLE", "UNAVAILABLE", [error_details_pb2.RetryInfo]),
    (pymongo.errors.WTimeoutError("canary"), "UNAVAILABLE", "UNAVAILABLE", [error_details_pb2.RetryInfo]),
    (amqp.exceptions.RecoverableConnectionError("canary"), "UNAVAILABLE", "UNAVAILABLE", [error_details_pb2.RetryInfo]),
    (ConnectionResetError("canary"), "UNAVAILABLE", "UNAVAILABLE", [error_details_pb2.RetryInfo]),
    (pymongo.errors.OperationFailure("canary", 2), "INTERNAL", "INTERNAL", [error_details_pb2.RequestInfo]),
    (KeyError("canary"), "INTERNAL", "INTERNAL", [error_details_pb2.RequestInfo]),
]


def kinds(status: status_pb2.Status) -> list[str]:
    """The types of its details, in order."""
    return [detail.type_url.rpartition("/")[2] for detail in status.details]


@pytest.mark.parametrize(
    ("error", "code", "reason", "details"), CASES, ids=[f"{type(case[0]).__name__}-{case[2]}" for case in CASES]
)
def test_each_error_has_its_status(error: Exception, code: str, reason: str, details: list[type[Any]]) -> None:
    status = status_of(error, request_id="r-1")
    assert code_pb2.Code.Name(status.code) == code
    assert reason_of(status) == reason
    assert reason in REASONS
    assert kinds(status) == ["google.rpc.ErrorInfo", *(kind.DESCRIPTOR.full_name for kind in details)]
    assert "canary" not in str(status)


def test_every_value_of_the_message_is_in_the_metadata() -> None:
    info = error_details_pb2.ErrorInfo()
    status_of(Conflict("changed", revision=7, reason="REVISION_MISMATCH")).details[0].Unpack(info)
    assert (info.domain, dict(info.metadata)) == ("kehu", {"revision": "7"})


def test_a_defect_names_the_request_to_report() -> None:
    status = status_of(ZeroDivisionError(), request_id="r-1")
    request = error_details_pb2.RequestInfo()
    status.details[1].Unpack(request)
    assert request.request_id == "r-1"
    assert "r-1" in status.message


def test_a_retry_says_when() -> None:
    retry = error_details_pb2.RetryInfo()
    status_of(Overloaded("full", cause="x", retry_after=1.5)).details[1].Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.5


ERRORS = st.one_of(
    st.builds(Conflict, st.text(max_size=3000), value=st.text(max_size=3000)),
    st.builds(NotFound, st.just(Account), st.text(max_size=3000)),
    st.builds(FailedPrecondition, st.text(max_size=3000), id=st.text(max_size=3000)),
    st.lists(st.builds(FieldViolation, st.text(max_size=500), st.text(max_size=500)), min_size=1, max_size=300).map(
        lambda violations: InvalidArgument(violations=violations)
    ),
)


@given(ERRORS)
def test_every_status_fits_into_the_metadata_of_a_response(error: DomainError) -> None:
    status = status_of(error)
    encoded = 4 * len(status.SerializeToString()) / 3 + 3 * len(status.message.encode())
    assert encoded < 8 * 1024
