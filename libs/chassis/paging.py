"""Keyset pages: a list continues after the last item it gave, so page ten thousand costs the same as page one.

A page token is sealed (it holds sort values, which may be personal data) and bound to the request it came from.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from libs.chassis.codec import to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.filtering import Condition, all_of, any_of, field

DEFAULT_SIZE, MAX_SIZE = 50, 500

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. `next_page_token` is empty on the last page and only there."""

    items: list[T]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The request for one page of a list, as the store takes it. Made from the message where it arrives."""

    size: int = 0
    """Items wanted. 0 means `DEFAULT_SIZE`."""
    token: str = ""
    """Page token of the page before. Empty for the first page."""
    bound_to: bytes = b""
    """Hash of everything else that was asked: a page token works with the same request only."""

    @classmethod
    def of(cls, request: Message) -> PageRequest:
        """The page that a message with `page_size` and `page_token` asks for."""
        asked: Any = request
        return cls(asked.page_size, asked.page_token, request_hash(request))


def to_page(page: Page[Any], response: type[M]) -> M:
    """The response of a list: the items in its one repeated field, and the next page token."""
    [items] = [field for field in response.DESCRIPTOR.fields if field.is_repeated]
    message = response()
    item = GetMessageClass(cast(Descriptor, items.message_type))
    getattr(message, items.name).extend([to_proto(each, item) for each in page.items])
    cast(Any, message).next_page_token = page.next_page_token
    return message


@dataclass(frozen=True, slots=True)
class Position:
    """The place after an item in an order: its sort values, the id last."""

    values: tuple[Any, ...]

    def place(self) -> str:
        """The position as text, for the store itself to go on from."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(list(self.values))).decode()

    @classmethod
    def at_place(cls, place: str) -> Position:
        """The position in such a text."""
        return cls(tuple(msgspec.msgpack.decode(base64.urlsafe_b64decode(place))))


class Order:
    """A total order of documents: fields with direction, completed by the id so that no two are equal.

    Every field of an order is present in every document; a field that may be absent cannot be sorted by.
    """

    def __init__(self, keys: str | Sequence[str] = ()) -> None:
        names = [keys] if isinstance(keys, str) else list(keys)
        pairs = [(name.lstrip("-"), -1 if name.startswith("-") else 1) for name in names if name]
        last = pairs[-1][1] if pairs else 1
        self.keys: tuple[tuple[str, int], ...] = (*pairs, ("_id", last))

    def after(self, position: Position) -> Condition:
        """The condition of exactly the documents that come after a position."""
        alternatives: list[Condition] = []
        equal: list[Condition] = []
        for (name, direction), value in zip(self.keys, position.values, strict=True):
            beyond = field(name) > value if direction > 0 else field(name) < value
            alternatives.append(all_of(*equal, beyond))
            equal.append(field(name) == value)
        if len(alternatives) == 1:
            return alternatives[0]
        # The first bound repeats what the alternatives imply: it lets the index start at the right place.
        name, direction = self.keys[0]
        first = position.values[0]
        bound = field(name) >= first if direction > 0 else field(name) <= first
        return all_of(bound, any_of(*alternatives))

    def position(self, document: Mapping[str, Any]) -> Position:
        """The place right after this document."""
        return Position(tuple(document[name] for name, _ in self.keys))


def parse_order(text: str, allowed: Sequence[str], *, default: str) -> list[str]:
    """The keys of an AIP-132 `order_by` such as `display_name, create_time desc`. Only allowed fields are taken."""
    keys = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([a-z_.]+)(?:\s+(asc|desc))?", part)
        if found is None or found.group(1) not in allowed:
            raise InvalidArgument.field(
                "order_by", f"{part!r} is not supported; allowed: {', '.join(allowed)}, each with optional asc or desc"
            )
        keys.append(("-" if found.group(2) == "desc" else "") + found.group(1))
    return keys or [default]


def page_size(requested: int) -> int:
    """0 means 50, more than 500 means 500. Negative is refused."""
    if requested < 0:
        raise InvalidArgument.field("page_size", f"{requested} is negative; 0 means {DEFAULT_SIZE}")
    return min(requested or DEFAULT_SIZE, MAX_SIZE)


def request_hash(request: Message | bytes) -> bytes:
    """Hash of a request without its page fields, which a page token is bound to."""
    if isinstance(request, Message):
        bare = type(request)()
        bare.CopyFrom(request)
        for name in ("page_token", "page_size"):
            if name in bare.DESCRIPTOR.fields_by_name:
                bare.ClearField(name)
        request = bare.DESCRIPTOR.full_name.encode() + b"\0" + bare.SerializeToString(deterministic=True)
    return hashlib.sha256(request).digest()[:16]
