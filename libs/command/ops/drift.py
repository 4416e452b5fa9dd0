"""Drift between the cluster and a manifest: the fields that differ, and their writers.

A manifest (`helm get manifest`, `helm template`) is asked for, because reading it from the release itself would take
the right to read secrets. Every field that it states must be there with its value; of fields that it does not state,
only those are drift which somebody else wrote on purpose: defaults, and what controllers keep, are nobody's drift.
Who wrote a field is what the API server recorded in `managedFields`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
"""Path of a field. An element of a list by what identifies it, `[name=kehu]`, or by its number, `[0]`."""
Json = Mapping[str, Any]

_KEYS: Final = (
    ("name",),
    ("mountPath",),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("topologyKey",),
    ("type",),
)
"""By which fields elements of a list are told apart, the first that does."""
_QUANTITIES: Final = frozenset({"requests", "limits", "sizeLimit", "averageValue"})
_BY_SERVER: Final = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "namespace"}
)
_BY_CONTROLLERS: Final = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver", "keda-operator")
_RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"
HOOK: Final = "helm.sh/hook"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference."""

    thing: str
    """`Deployment/kehu-profiles-api`."""
    path: str
    """The field. Empty when the whole object is meant."""
    wanted: Any
    """Value in the manifest. None for nothing."""
    found: Any
    """Value in the cluster. None for nothing."""
    by: str
    """Writer and time. Empty when that is not recorded."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"object": self.thing, "field": self.path, "wanted": self.wanted, "found": self.found, "by": self.by}


def title(thing: Json) -> str:
    """`Kind/name`."""
    return f"{thing.get('kind')}/{thing.get('metadata', {}).get('name')}"


def is_hook(thing: Json) -> bool:
    """Helm makes it for a moment only."""
    return HOOK in (thing["metadata"].get("annotations") or {})


def compare(wanted: Json, found: Json | None) -> list[Drift]:
    """The differences between an object of the manifest and the one that lives."""
    name = title(wanted)
    if found is None:
        return [Drift(name, "", "is there", None, "")]
    owners = _owners(found)
    here = dict(_leaves(found))
    asked = {path: value for path, value in _leaves(wanted) if path[:2] != ("metadata", "namespace")}
    differences = []
    for path, value in sorted(asked.items()):
        there = here.get(path)
        if not _same(path, value, there):
            differences.append(Drift(name, _shown(path), value, there, _by(owners, path)))
    author = _author(owners, asked)
    for path, value in sorted(here.items()):
        others = [each for each in owners.get(path, ()) if not each.manager.startswith((*_BY_CONTROLLERS, author))]
        if others and not _known(path, asked) and _RESTARTED not in path:
            differences.append(Drift(name, _shown(path), None, value, _names(others)))
    return differences


def strangers(wanted: Iterable[Json], found: Iterable[Json]) -> list[Drift]:
    """Objects of the release that the manifest does not know, unless another object or a hook made them."""
    known = {title(each) for each in wanted}
    return [
        Drift(title(each), "", None, "is there", _names(_managers(each)))
        for each in found
        if title(each) not in known and not each["metadata"].get("ownerReferences") and not is_hook(each)
    ]


@dataclass(frozen=True, slots=True)
class _Writer:
    manager: str
    operation: str
    at: str

    def __str__(self) -> str:
        return f"{self.manager} ({self.operation.lower()}, {self.at})" if self.at else self.manager


def _managers(thing: Json) -> list[_Writer]:
    return [
        _Writer(each.get("manager", ""), each.get("operation", ""), each.get("time", ""))
        for each in thing["metadata"].get("managedFields") or ()
        if each.get("subresource") != "status"
    ]


def _owners(thing: Json) -> dict[Path, list[_Writer]]:
    """Field → who wrote it, of all fields that have a value."""
    owners: dict[Path, list[_Writer]] = {}
    for entry in thing["metadata"].get("managedFields") or ():
        if entry.get("subresource") == "status":
            continue
        writer = _Writer(entry.get("manager", ""), entry.get("operation", ""), entry.get("time", ""))
        for path, whole in _fields(thing, entry.get("fieldsV1") or {}, ()):
            below = [leaf for leaf, _ in _leaves_of(whole, path)]
            for leaf in below:
                owners.setdefault(leaf, []).append(writer)
    return owners


def _fields(value: Any, fields: Json, path: Path) -> Iterator[tuple[Path, Any]]:
    """(path, value) of every field that is named without fields of its own. `f:` names, `k:` and `v:` find elements."""
    named = {key: below for key, below in fields.items() if key != "."}
    if not named:
        yield path, value
    for key, below in named.items():
        kind, _, rest = key.partition(":")
        if kind == "f" and isinstance(value, Mapping) and rest in value:
            yield from _fields(value[rest], below, (*path, rest))
        elif kind in {"k", "v"} and isinstance(value, Sequence):
            asked = json.loads(rest)
            for label, element in _elements(value):
                if element == asked if kind == "v" else _has(element, asked):
                    yield from _fields(element, below, (*path, label))


def _has(element: Any, asked: Json) -> bool:
    return isinstance(element, Mapping) and all(element.get(name) == value for name, value in asked.items())


def _leaves(thing: Json) -> Iterator[tuple[Path, Any]]:
    """Every value of an object with its path, without what only the server and controllers write."""
    for key, value in thing.items():
        if key in {"status", "apiVersion", "kind"}:
            continue
        kept = {k: v for k, v in value.items() if k not in _BY_SERVER} if key == "metadata" else value
        yield from _leaves_of(kept, (key,))


def _leaves_of(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Values below. An empty list or object, and null, are no values."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves_of(below, (*path, str(key)))
    elif isinstance(value, list):
        for label, below in _elements(value):
            yield from _leaves_of(below, (*path, label))
    elif value is not None:
        yield path, value


def _elements(values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for names in _KEYS:
        if all(isinstance(value, Mapping) and names[0] in value for value in values):
            # A protocol that is not written is TCP, also in the eyes of the API server.
            labels = [",".join(f"{n}={value.get(n, 'TCP')}" for n in names) for value in values]
            if len(set(labels)) == len(labels):
                yield from ((f"[{label}]", value) for label, value in zip(labels, values, strict=True))
                return
    yield from ((f"[{number}]", value) for number, value in enumerate(values))


def _same(path: Path, wanted: Any, found: Any) -> bool:
    if wanted == found:
        return True
    if found is None or not _QUANTITIES & {*path}:
        return False
    from kubernetes.utils import parse_quantity

    try:
        return bool(parse_quantity(wanted) == parse_quantity(found))
    except ValueError:
        return False


def _known(path: Path, asked: Mapping[Path, Any]) -> bool:
    return path in asked


def _by(owners: Mapping[Path, Sequence[_Writer]], path: Path) -> str:
    """Returns the writer of a field, or, when it is gone, the last one around it."""
    for length in range(len(path), 1, -1):
        found = {writer for owned, writers in owners.items() if owned[:length] == path[:length] for writer in writers}
        if found:
            return _names(found if length == len(path) else [max(found, key=lambda each: each.at)])
    return ""


def _author(owners: Mapping[Path, Sequence[_Writer]], asked: Iterable[Path]) -> str:
    """Returns the writer of most of what the manifest says: the one that deploys."""
    counts: dict[str, int] = {}
    for path in asked:
        for writer in owners.get(path, ()):
            counts[writer.manager] = counts.get(writer.manager, 0) + 1
    return max(counts, key=lambda manager: counts[manager], default="helm")


def _names(writers: Iterable[_Writer]) -> str:
    return ", ".join(dict.fromkeys(str(each) for each in sorted(writers, key=lambda each: each.at)))


def _shown(path: Path) -> str:
    shown = ""
    for part in path:
        shown += part if part.startswith("[") or not shown else f".{part}" if "." not in part else f'["{part}"]'
    return shown
