"""Sums over many documents, worked out next to the data along one index, and their twin in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from libs.chassis.filtering import Condition, paths_in
from libs.chassis.store import Count, DayOf, Greatest, Index, Key, Least, Measure, Row, Sum
from libs.engine.store.matching import values_at


def paths_of(keys: Iterable[Key], measures: Iterable[Measure]) -> set[str]:
    """The fields that keys and measures are made of."""
    keyed = {each if isinstance(each, str) else each.path for each in keys}
    measured = {each.lacking if isinstance(each, Count) else each.path for each in measures}
    return keyed | measured - {""}


def require_within(index: Index, where: Condition, paths: Iterable[str]) -> None:
    """ValueError for a field that the index lacks."""
    held = {key.lstrip("-") for key in index.keys} | {"_id"}
    if lacking := {*paths, *paths_in(where)} - held:
        raise ValueError(f"index {index.name} lacks {', '.join(sorted(lacking))}")


# ---------------------------------------------------------------------------------------------- to MongoDB


def to_pipeline(keys: Sequence[Key], measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """The stages that group. Flat fields make grouping quick: reaching into objects costs a third more."""
    flat = {path: f"f{number}" for number, path in enumerate(sorted(paths_of(keys, measures)))}
    project: dict[str, Any] = {"_id": 0, **{name: f"${path}" for path, name in flat.items()}}
    group: dict[str, Any] = {"_id": {f"k{number}": _mongo_key(each, flat) for number, each in enumerate(keys)}}
    group |= {f"m{number}": _mongo_measure(each, flat) for number, each in enumerate(measures)}
    return [{"$project": project}, {"$group": group}]


def from_group(row: Mapping[str, Any], keys: Sequence[Key], measures: Sequence[Measure]) -> Row:
    """A group as `to_pipeline` gives it, as a row."""
    found = [row["_id"].get(f"k{number}") for number in range(len(keys))]
    found = [date.fromisoformat(v) if isinstance(k, DayOf) else v for k, v in zip(keys, found, strict=True)]
    return (*found, *(row[f"m{number}"] for number in range(len(measures))))


def _mongo_key(key: Key, flat: Mapping[str, str]) -> Any:
    if isinstance(key, str):
        return f"${flat[key]}"
    return {"$dateToString": {"date": f"${flat[key.path]}", "format": "%Y-%m-%d", "timezone": key.time_zone}}


def _mongo_measure(measure: Measure, flat: Mapping[str, str]) -> dict[str, Any]:
    match measure:
        case Count(lacking=""):
            return {"$sum": 1}
        case Count(lacking=path):
            return {"$sum": {"$cond": [{"$gt": [f"${flat[path]}", None]}, 0, 1]}}
        case Sum(path=path):
            return {"$sum": f"${flat[path]}"}
        case Least(path=path):
            return {"$min": f"${flat[path]}"}
        case Greatest(path=path):
            return {"$max": f"${flat[path]}"}


# ------------------------------------------------------------------------------------------------ in memory


def totals_of(documents: Iterable[Mapping[str, Any]], keys: Sequence[Key], measures: Sequence[Measure]) -> list[Row]:
    """The rows of the groups, by the rules of `to_pipeline`."""
    groups: dict[Row, list[Mapping[str, Any]]] = {}
    for document in documents:
        groups.setdefault(tuple(_key(each, document) for each in keys), []).append(document)
    return [(*key, *(_measure(each, group) for each in measures)) for key, group in groups.items()]


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """The value of a field that is in no array. None when there is none."""
    return next(iter(values_at(document, path)), None)


def _key(key: Key, document: Mapping[str, Any]) -> Any:
    if isinstance(key, str):
        return value_at(document, key)
    return value_at(document, key.path).astimezone(ZoneInfo(key.time_zone)).date()


def _measure(measure: Measure, group: Sequence[Mapping[str, Any]]) -> Any:
    match measure:
        case Count(lacking=""):
            return len(group)
        case Count(lacking=path):
            return sum(value_at(each, path) is None for each in group)
    found = [value for each in group if (value := value_at(each, measure.path)) is not None]
    match measure:
        case Sum():
            return sum(found)
        case Least():
            return min(found, default=None)
        case Greatest():
            return max(found, default=None)
