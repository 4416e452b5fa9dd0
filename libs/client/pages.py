"""Lists that are longer than a page: `for customer in pager`, or `for page in pager.pages`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from libs.client.values import fill

TOKEN = "next_page_token"  # noqa: S105  (a field name)


class Pager:
    """The items of a list call. Pages are fetched while it is walked, and every walk starts at the first."""

    def __init__(self, fetch: Callable[[Message], Message], request: Message, items: str) -> None:
        self._fetch = fetch
        self._request = request
        self._items = items

    def __iter__(self) -> Iterator[Message]:
        for page in self.pages:
            yield from getattr(page, self._items)

    @property
    def pages(self) -> Iterator[Message]:
        """The response messages one by one. The end is an empty `next_page_token`, never an empty page."""
        request = type(self._request)()
        request.CopyFrom(self._request)
        while True:
            page = self._fetch(request)
            yield page
            token = getattr(page, TOKEN)
            if not token:
                return
            fill(request, {"page_token": token})

    def first(self) -> Message | None:
        """The first item, or None."""
        return next(iter(self), None)


def items_field(method: MethodDescriptor) -> str:
    """The repeated message field of a list method's response. Empty when this is not a list method."""
    fields = method.output_type.fields_by_name
    if TOKEN not in fields or "page_token" not in method.input_type.fields_by_name:
        return ""
    repeated = [field.name for field in fields.values() if field.is_repeated and field.message_type is not None]
    return repeated[0] if len(repeated) == 1 else ""
