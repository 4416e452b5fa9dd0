"""The rules that the protos carry."""

from __future__ import annotations

import time

import pytest
from kehu.interactions.v1 import promises_pb2

from libs.chassis.domain import FieldViolation, InvalidArgument
from libs.chassis.validation import validate, warm
from tests.support.lab import lab
from tests.support.ledger import events_pb2 as ledger_pb2


def test_a_request_that_keeps_the_rules_passes() -> None:
    validate(lab().CreateThingRequest(thing=lab().Thing(id="a", count=1000)))


def test_every_wrong_field_is_named_with_what_is_allowed() -> None:
    thing = lab().Thing(count=-1, parts=[lab().Thing(), lab().Thing(parts=[lab().Thing(id="x" * 41)])])
    with pytest.raises(InvalidArgument) as refused:
        validate(lab().CreateThingRequest(thing=thing, request_id="no uuid"))
    assert set(refused.value.violations) == {
        FieldViolation(
            "thing.count", "must be greater than or equal to 0 and less than or equal to 1000", "INT32_GTE_LTE"
        ),
        FieldViolation("thing.parts[1].parts[0].id", "must be at most 40 characters", "STRING_MAX_LEN"),
        FieldViolation("request_id", "must be a valid UUID", "STRING_UUID"),
    }


def test_rules_run_compiled() -> None:
    """A silent fall-back to protovalidate 1.x, which takes milliseconds, would show here."""
    request = lab().CreateThingRequest(thing=lab().Thing(id="a", parts=[lab().Thing(id="b")] * 10))
    warm([type(request)])
    start = time.perf_counter()
    for _ in range(100):
        validate(request)
    assert (time.perf_counter() - start) / 100 < 0.001


def test_an_enum_value_that_the_proto_lacks_is_refused_by_path_wherever_it_is() -> None:
    with pytest.raises(InvalidArgument) as refused:
        validate(ledger_pb2.Account(name="x", state=9))
    assert [(v.field, v.reason) for v in refused.value.violations] == [("state", "ENUM_DEFINED_ONLY")]
    assert "STATE_CLOSED, STATE_OPEN" in refused.value.violations[0].description
    with pytest.raises(InvalidArgument) as nested:
        validate(ledger_pb2.AccountOpened(account=ledger_pb2.Account(state=9)))
    assert [v.field for v in nested.value.violations] == ["account.state"]
    validate(ledger_pb2.AccountOpened(account=ledger_pb2.Account(state=1)))


@pytest.mark.parametrize(
    ("field", "good", "bad", "reason"),
    [
        ("promise_id", ["pro_" + "0" * 26], ["", "pro_", "cus_" + "0" * 26, "pro_" + "u" * 26, "pro_x\n"], "STRING_ID"),
        (
            "request_id",
            ["", "7f1d2b9a-2d43-4c0e-9d0f-0a51b1a9f3c2", "7F1D2B9A-2D43-4C0E-9D0F-0A51B1A9F3C2"],
            ["no uuid", "7f1d2b9a-2d43-4c0e-9d0f-0a51b1a9f3c2 ", "7f1d2b9a2d434c0e9d0f0a51b1a9f3c2"],
            "STRING_REQUEST_ID",
        ),
    ],
)
def test_what_every_service_needs_is_said_once(field: str, good: list[str], bad: list[str], reason: str) -> None:
    kept = {"promise_id": "pro_" + "0" * 26, "recovery": "a voucher"}
    for text in good:
        validate(promises_pb2.RecoverPromiseRequest(**{**kept, field: text}))
    for text in bad:
        with pytest.raises(InvalidArgument) as refused:
            validate(promises_pb2.RecoverPromiseRequest(**{**kept, field: text}))
        assert [(v.field, v.reason) for v in refused.value.violations] == [(field, reason)], text


def test_pages_are_asked_for_by_the_same_rules_everywhere() -> None:
    validate(promises_pb2.ListPromisesRequest(page_size=100_000, page_token="x" * 2000))
    with pytest.raises(InvalidArgument) as refused:
        validate(promises_pb2.ListPromisesRequest(page_size=-1, page_token="x" * 2001))
    assert {(v.field, v.reason) for v in refused.value.violations} == {
        ("page_size", "INT32_PAGE_SIZE"),
        ("page_token", "STRING_PAGE_TOKEN"),
    }
    assert "0 means 50" in str(refused.value)
