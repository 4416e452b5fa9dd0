"""Stage 8, answer: from a response to bytes that fit into a message.

A page that would be too large is read again with fewer items, and ends early with the page token of the rest, which
allows that, being bound to everything but the size of the page. Any other answer that is too large is refused by
name, where grpc would fail the call after we had counted it as served.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from google.protobuf.message import Message

from libs.chassis.domain import FailedPrecondition
from libs.chassis.paging import DEFAULT_SIZE, MAX_SIZE
from libs.engine.rpc.call import Method

SEND_LIMIT = 4 * 1024 * 1024
"""Bytes of one response."""

_AIM = 0.9
"""The part of the limit that a page that is read again should take."""


class ResponseTooLarge(FailedPrecondition):
    """The answer has {bytes} bytes, and a message may have {limit}: ask for fewer or smaller things at a time."""

    bytes: int
    limit: int


def fitting(method: Method, request: Message, serve: Callable[[Message], Message]) -> bytes:
    """The answer of `serve` to the request, or to one for a smaller page."""
    data = serve(request).SerializeToString()
    while len(data) > SEND_LIMIT:
        smaller = _smaller(request, len(data)) if method.pages else None
        if smaller is None:
            raise ResponseTooLarge(bytes=len(data), limit=SEND_LIMIT)
        request = smaller
        data = serve(request).SerializeToString()
    return data


def part(response: Message) -> bytes:
    """One response of a stream."""
    data = response.SerializeToString()
    if len(data) > SEND_LIMIT:
        raise ResponseTooLarge(bytes=len(data), limit=SEND_LIMIT)
    return data


def _smaller(request: Message, size: int) -> Message | None:
    """The request for a page of which so many bytes should be left as fit, or None when it is of one item."""
    asked: Any = request
    items = min(asked.page_size or DEFAULT_SIZE, MAX_SIZE)
    if items <= 1:
        return None
    smaller = type(request)()
    smaller.CopyFrom(request)
    cast(Any, smaller).page_size = max(1, min(items - 1, int(items * _AIM * SEND_LIMIT / size)))
    return smaller
