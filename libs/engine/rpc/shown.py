"""The exit of the server: responses as their callers may see them."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from kehu.common.v1 import options_pb2

from libs.chassis.privacy import classes_in, hidden_from, masked

M = TypeVar("M", bound=Message)


class Exit:
    """The responses of a method as its callers may see them."""

    def __init__(self, method: MethodDescriptor) -> None:
        access = method.GetOptions().Extensions[options_pb2.access]
        self._costs = bool(classes_in(method.output_type))
        self._opens = frozenset(access.opens)
        self._named_by: str = access.opens_named_by
        streams = method.client_streaming or method.server_streaming
        if self._named_by and (streams or self._named_by not in method.input_type.fields_by_name):
            raise LookupError(f"{method.full_name}: no field {self._named_by!r} of one request can name what it opens")

    def __call__(self, response: M, scopes: frozenset[str], request: Message | None = None) -> M:
        """The response without what the scopes do not open."""
        if not self._costs:
            return response
        hidden = hidden_from(scopes)
        if hidden and self._opens:
            hidden -= self._opens
        if hidden and self._named_by and request is not None:
            hidden -= frozenset(getattr(request, self._named_by))
        return masked(response, hidden) if hidden else response
