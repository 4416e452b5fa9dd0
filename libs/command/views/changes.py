"""Differences of a change, leaf by leaf, so that one new consent does not print all the others again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from kehu.profiles.v1.customer_pb2 import Customer
from rich.text import Text

MOST = 12
"""Lines that one field may take. A field that was replaced as a whole says how many more there are."""


def lines(field: str, before: Customer, after: Customer) -> Iterator[Text]:
    """A line for every leaf of a field that differs: path, old value, new value."""
    old, new = dict(_leaves(field, _value(field, before))), dict(_leaves(field, _value(field, after)))
    altered = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    for path in altered[:MOST]:
        line = Text(f"    {path}: ")
        line.append(_shown(old.get(path)), style="red")
        line.append(" → ")
        line.append(_shown(new.get(path)), style="green")
        yield line
    if len(altered) > MOST:
        yield Text(f"    {field}: and {len(altered) - MOST} more", style="dim")


def _value(field: str, customer: Customer) -> Any:
    return MessageToDict(customer, preserving_proto_field_name=True).get(field)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Paths and values of everything that holds no more inside. List items are named by what tells them apart."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(f"{path}.{name}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(f"{path}[{_name(item, number)}]", item)
    elif value is not None:
        yield path, value


def _name(item: Any, number: int) -> str:
    """The enum values of a message, such as `MARKETING EMAIL` of a decision. Else its place in the list."""
    if not isinstance(item, dict):
        return str(number)
    return " ".join(_word(name, item[name]) for name in ("purpose", "type", "kind", "channel") if name in item) or str(
        number
    )


def _word(field: str, value: Any) -> str:
    return str(value).removeprefix(f"{field.upper()}_")


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
