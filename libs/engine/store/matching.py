"""Conditions on documents in memory, by the rules of MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.chassis.filtering import AllOf, AnyOf, Compare, Condition, Element


def matches(condition: Condition | None, document: Mapping[str, Any]) -> bool:
    """Returns true for a document that meets a condition, by the rules of `to_mongo`."""
    match condition:
        case None:
            return True
        case AllOf(parts=parts):
            return all(matches(part, document) for part in parts)
        case AnyOf(parts=parts):
            return any(matches(part, document) for part in parts)
        case Element(path=path, condition=inner):
            return any(isinstance(item, Mapping) and matches(inner, item) for item in values_at(document, path))
        case Compare(path=path, operator=operator, value=value):
            found = values_at(document, path)
            match operator:
                case "exists":
                    return any(item is not None for item in found)
                case "missing":
                    return all(item is None for item in found)
                case "!=":
                    return bool(found) and None not in found and value not in found
                case "in":
                    return any(item in value for item in found)
                case "not_in":
                    return bool(found) and None not in found and not any(item in value for item in found)
                case "prefix":
                    return any(isinstance(item, str) and item.startswith(value) for item in found)
                case _:
                    return any(_compare(item, operator, value) for item in found)
    raise TypeError(f"not a condition: {condition!r}")


def values_at(document: Any, path: str) -> list[Any]:
    """Every value that a dotted path reaches. Arrays on the way, and at the end, are entered as MongoDB does."""
    reached = [document]
    for name in path.split("."):
        entered = [item for value in reached for item in (value if isinstance(value, list | tuple) else [value])]
        reached = [item[name] for item in entered if isinstance(item, Mapping) and name in item]
    return [item for value in reached for item in (value if isinstance(value, list | tuple) else [value])]


def _compare(left: Any, operator: str, right: Any) -> bool:
    if left is None or right is None or not _comparable(left, right):
        return operator == "==" and left is right
    match operator:
        case "==":
            return bool(left == right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case _:
            return bool(left >= right)


def _comparable(left: Any, right: Any) -> bool:
    number = (int, float)
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool)
    return type(left) is type(right) or (isinstance(left, number) and isinstance(right, number))
