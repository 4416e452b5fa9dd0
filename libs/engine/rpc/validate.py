"""Stage 5, validate: from bytes to a request that keeps the rules of its proto, and the command it carries."""

from __future__ import annotations

import hashlib

from google.protobuf.message import DecodeError, Message

from libs.chassis.context import Command
from libs.chassis.domain import InvalidArgument
from libs.chassis.validation import validate
from libs.engine.rpc.call import Method


class MalformedRequest(InvalidArgument):
    """The request is not a {type}."""

    type: str


def read(method: Method, data: bytes) -> Message:
    """The request. InvalidArgument when the bytes are none, or break the rules."""
    try:
        request = method.request.FromString(data)
    except DecodeError:
        raise malformed(method) from None
    validate(request)
    return request


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
