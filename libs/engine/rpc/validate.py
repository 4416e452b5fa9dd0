"""Stage 5, validate: from bytes to a request that keeps the rules of its proto, and the command it carries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from libs.chassis import privacy
from libs.chassis.context import Command
from libs.chassis.domain import InvalidArgument
from libs.chassis.validation import validate
from libs.engine.rpc.call import Method


class MalformedRequest(InvalidArgument):
    """The request is not a {type}."""

    type: str


_ADDRESS: Final = {"id", "revision"}
"""Fields that a request has as well, where they say which state of which entity is meant."""


def read(method: Method, data: bytes) -> Message:
    """The request without what only a server writes (AIP-203). InvalidArgument when the bytes are none, or break the
    rules."""
    try:
        request = method.request.FromString(data)
    except DecodeError:
        raise malformed(method) from None
    drop_output_only(request)
    validate(request)
    return request


def drop_output_only(message: Message) -> None:
    """Clears the fields of a message, however deep, that only a server writes. Callers who send back what they read
    need not take them out, and nobody can claim them."""
    cleared, ahead = _plan(message.DESCRIPTOR)
    for name in cleared:
        message.ClearField(name)
    for name, many, keyed in ahead:
        held = getattr(message, name)
        if many:
            for each in held.values() if keyed else held:
                drop_output_only(each)
        elif message.HasField(name):
            drop_output_only(held)


@cache
def _plan(descriptor: Descriptor) -> tuple[Sequence[str], Sequence[tuple[str, bool, bool]]]:
    """(fields that only a server writes, fields that hold some further down: name, whether many, whether a map)."""
    cleared = [each.name for each in descriptor.fields if _is_output_only(each)]
    ahead = [
        (each.name, each.is_repeated, privacy.is_map(each))
        for each in descriptor.fields
        if each.name not in cleared and (held := privacy.inside(each)) is not None and _has_some(held)
    ]
    return cleared, ahead


def _has_some(descriptor: Descriptor) -> bool:
    """True when a field that only a server writes is anywhere inside a message."""
    return any(_is_output_only(field) for each in privacy.reachable(descriptor) for field in each.fields)


def _is_output_only(field: FieldDescriptor) -> bool:
    behaviors: Sequence[int] = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.OUTPUT_ONLY in behaviors and field.name not in _ADDRESS


def malformed(method: Method) -> InvalidArgument:
    """The refusal of bytes that are not a request of this method."""
    kind = method.request.DESCRIPTOR.full_name
    return MalformedRequest(type=kind)


def command(method: Method, request: Message) -> Command | None:
    """The idempotency key of the request with the fingerprint of all else it says. None when it names no key."""
    if not method.commands:
        return None
    key: str = getattr(request, "request_id")  # noqa: B009  (only some messages have it)
    if not key:
        return None
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("request_id")
    digest = hashlib.sha256(method.path.encode())
    digest.update(b"\0" + content.SerializeToString(deterministic=True))
    return Command(key.lower(), digest.digest())
