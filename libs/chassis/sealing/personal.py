"""What is personal in an entity, and how it is taken out of its document and its events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from google.protobuf.message import Message

from libs.chassis.codec import plain

Tree = Mapping[str, "Tree | None"]
"""Field → None where the whole of it is personal, else what is personal inside."""


@dataclass(frozen=True, kw_only=True)
class Personal:
    """Declared with a collection, so that neither domain nor use-cases know of sealing."""

    fields: tuple[str, ...]
    """What is sealed; a dot leads into an object: `consent.decisions`. Each field needs a default, or is a string, or
    has a `blank`."""
    tokens: Mapping[str, Callable[[Any], Iterable[str]]] = field(default_factory=dict)
    """Name of an index → the values of an entity to be found by. They are kept as tokens: an index on `_tokens.<name>`
    serves `field("_tokens.<name>") == collection.token(name, value)`, for equality and nothing else."""
    blank: Mapping[str, Any] = field(default_factory=dict)
    """What stands in a document for erased values of fields that have no default and are no strings."""
    event_fields: tuple[str, ...] = ()
    """Fields of the entity's events, beside the entities they carry, that are personal."""

    @cached_property
    def tree(self) -> Tree:
        """The fields as a tree."""
        return tree(self.fields)

    def blanks(self, entity: type) -> dict[str, Any]:
        """What an entity whose values were erased has in place of fields without default."""
        required = [
            f
            for f in dataclasses.fields(entity)
            if f.name not in self.blank
            and self.tree.get(f.name, ...) is None
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        if wrong := [f.name for f in required if f.type not in ("str", str)]:
            raise TypeError(f"{entity.__name__}: {', '.join(wrong)} cannot be sealed without a default")
        return {**dict.fromkeys((f.name for f in required), ""), **self.blank}

    def defaults(self, entity: type) -> dict[str, Any]:
        """The values, as they stand in a document, that say nothing and are not worth sealing."""
        values = self.blanks(entity)
        for f in dataclasses.fields(entity):
            if f.name in self.tree and f.name not in values:
                made = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
                values[f.name] = plain(made)
        return values


def tree(paths: Iterable[str]) -> Tree:
    """Dotted paths as a tree."""
    grown: dict[str, Any] = {}
    for path in paths:
        *parents, leaf = path.split(".")
        here = grown
        for name in parents:
            here = here.setdefault(name, {})
        here[leaf] = None
    return grown


def split(
    document: Mapping[str, Any], within: Tree, defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what is left, what is personal) of a document; personal values that say nothing are in neither."""
    public, private = dict(document), dict[str, Any]()
    for name, inside in within.items():
        if name not in document:
            continue
        value, default = document[name], defaults.get(name)
        if inside is None:
            del public[name]
            if value not in (default, None):
                private[name] = value
        elif value is not None:
            public[name], hidden = split(value, inside, default or {})
            if hidden:
                private[name] = hidden
    return public, private


def join(public: Mapping[str, Any], private: Mapping[str, Any]) -> dict[str, Any]:
    """A document with its personal values back in their places."""
    joined = dict(public)
    for name, value in private.items():
        there = joined.get(name)
        joined[name] = join(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return joined


def clear(message: Message, within: Tree) -> None:
    """Takes the personal fields out of a message, those that it has."""
    there = message.DESCRIPTOR.fields_by_name
    for name, inside in within.items():
        if name not in there:
            continue
        if inside is None:
            message.ClearField(name)
        elif message.HasField(name):
            clear(getattr(message, name), inside)
