"""What only the server writes stays what the server wrote, whoever sets it in a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from libs.chassis.codec import is_output_only
from tests.support.contracts import http, method_ids, reads, rows, streams
from tests.support.examples import request
from tests.support.security import OK, Door, sow
from tests.support.stack import System

CANARY = "canary"
NUMBER = 987_654_321
LONG_AGO = 946_684_800


@pytest.fixture(scope="module")
def door(stack: System) -> Iterator[Door]:
    """A caller that may do everything."""
    made = Door(stack, stack.token("t-fields"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def ids(door: Door) -> dict[str, str]:
    """Things to change."""
    return sow(door)


def resources(method: MethodDescriptor) -> list[FieldDescriptor]:
    """The fields of a request that hold a resource with something that only the server writes."""
    return [
        field
        for field in method.input_type.fields
        if field.message_type is not None and not field.is_repeated and outputs(field.message_type)
    ]


def outputs(descriptor: Descriptor) -> list[FieldDescriptor]:
    """The fields that only the server writes."""
    if not descriptor.full_name.startswith("kehu."):
        return []
    return [field for field in descriptor.fields if is_output_only(field)]


def spoil(message: Any, *, updates: bool) -> None:
    """Sets every field that only the server writes to something that it would never write.

    In an update `id` says which one, and `revision` which state of it the caller has seen.
    """
    for field in outputs(message.DESCRIPTOR):
        if field.is_repeated or (updates and field.name in ("id", "revision")):
            continue
        if field.enum_type is not None:
            setattr(message, field.name, field.enum_type.values[-1].number)
        elif field.message_type is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            if field.message_type.full_name == "google.protobuf.Timestamp":
                target.seconds = LONG_AGO
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, CANARY)
        elif field.type == FieldDescriptor.TYPE_BOOL:
            setattr(message, field.name, True)
        elif field.type != FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, NUMBER)


def written(message: Any) -> dict[str, Any]:
    """What the server wrote, apart from what differs from call to call."""
    return {
        field.name: getattr(message, field.name)
        for field in outputs(message.DESCRIPTOR)
        if field.enum_type is not None or field.type == FieldDescriptor.TYPE_BOOL
    }


@pytest.mark.parametrize("method", method_ids())
def test_fields_that_only_the_server_writes_cannot_be_set(
    door: Door, ids: dict[str, str], method: MethodDescriptor
) -> None:
    if reads(method) or rows(method) or streams(method) or not resources(method):
        return
    usual = door.call(method, request(method, ids))
    sent = request(method, ids)
    for field in resources(method):
        spoil(getattr(sent, field.name), updates=f"{field.name}.id" in http(method)[1])
    spoilt = door.call(method, sent)
    if spoilt.code is grpc.StatusCode.INVALID_ARGUMENT and usual.code in (OK, grpc.StatusCode.FAILED_PRECONDITION):
        return  # refused, which is as good
    assert spoilt.code is usual.code, spoilt.text
    if spoilt.code is OK:
        assert CANARY not in str(spoilt.response)
        assert str(NUMBER) not in str(spoilt.response)
        assert str(LONG_AGO) not in str(spoilt.response)
        if type(spoilt.response) is type(usual.response):
            assert written(spoilt.response) == written(usual.response)
