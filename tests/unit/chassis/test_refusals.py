"""A named refusal: its class is its reason, its docstring the message, its fields the metadata."""

from __future__ import annotations

import traceback
from enum import StrEnum
from typing import ClassVar

import pytest
from google.rpc import code_pb2, error_details_pb2

from libs.chassis.domain import FailedPrecondition, FieldViolation, InvalidArgument, NotFound, upper_snake
from libs.engine.rpc.errors import status_of
from tests.support.ledger import Account


class Kind(StrEnum):
    LEGAL = "LEGAL"


class HoldForbids(FailedPrecondition):
    """Customer {customer_id} has holds of {kinds}: lift
    hold {number} first."""

    customer_id: str
    kinds: tuple[Kind, ...]
    number: int = 1


class CursorBroken(InvalidArgument):
    """{problem}: start again without it."""

    wrong_field: ClassVar[str] = "cursor"

    problem: str


def test_the_class_says_everything() -> None:
    refusal = HoldForbids(customer_id="cus_{1}", kinds=(Kind.LEGAL, Kind.LEGAL))
    assert str(refusal) == "Customer cus_{1} has holds of LEGAL, LEGAL: lift hold 1 first."
    assert refusal.reason == refusal.reason_code == "HOLD_FORBIDS"
    assert refusal.metadata == {"customer_id": "cus_{1}", "kinds": "LEGAL, LEGAL", "number": "1"}
    assert refusal.kinds == (Kind.LEGAL, Kind.LEGAL)


def test_data_are_named_and_complete() -> None:
    with pytest.raises(TypeError):
        HoldForbids(customer_id="cus_1")
    with pytest.raises(TypeError):
        HoldForbids("cus_1", ())


def test_it_is_raised_and_told_like_any_exception() -> None:
    with pytest.raises(FailedPrecondition) as caught:
        raise HoldForbids(customer_id="cus_1", kinds=()) from ValueError("cause")
    assert "HoldForbids: Customer cus_1" in "".join(traceback.format_exception(caught.value))


def test_callers_are_told_the_reason_the_subject_and_the_data() -> None:
    status = status_of(HoldForbids(customer_id="cus_1", kinds=(Kind.LEGAL,)))
    info, unmet = error_details_pb2.ErrorInfo(), error_details_pb2.PreconditionFailure()
    assert status.code == code_pb2.FAILED_PRECONDITION
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(unmet)
    assert (info.reason, info.metadata["customer_id"]) == ("HOLD_FORBIDS", "cus_1")
    assert unmet.violations[0].subject == "cus_1"


def test_a_wrong_field_is_named() -> None:
    refusal = CursorBroken(problem="It is cut short")
    assert refusal.violations == (FieldViolation("cursor", str(refusal), "CURSOR_BROKEN"),)


def test_what_is_missing_is_named_by_its_class() -> None:
    assert NotFound(Account, "acc_1").metadata == {"kind": "Account", "id": "acc_1"}


@pytest.mark.parametrize(
    ("name", "reason"), [("FitRefused", "FIT_REFUSED"), ("RFMStale", "RFM_STALE"), ("ABc", "A_BC")]
)
def test_reasons_are_names_in_capitals(name: str, reason: str) -> None:
    assert upper_snake(name) == reason
