"""The rules that the protos carry."""

from __future__ import annotations

import time

import pytest

from libs.chassis.domain import FieldViolation, InvalidArgument
from libs.chassis.validation import validate, warm
from tests.support.lab import lab


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
