"""Personal fields of an entity, taken out of its document and its events.

The protos declare it, field by field (`libs.chassis.privacy`); a field that no proto has declares it by its type,
`Sealed[str]`. Where a list or a map holds anything personal, the whole of it is, and so is an object that holds nothing
else.
"""

from __future__ import annotations

import dataclasses
import pkgutil
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from libs.chassis import privacy
from libs.chassis.codec import plain
from libs.chassis.domain import SEALED
from libs.chassis.store import BlindIndexes

Tree = Mapping[str, "Tree | None"]
"""Field → None where the whole of it is personal, else what is personal inside."""


@dataclass(frozen=True, kw_only=True)
class Personal:
    """The personal fields in the entities of a collection."""

    tree: Tree
    blind: BlindIndexes
    blanks: Mapping[str, Any]
    """Values of an erased entity in place of fields without default."""
    defaults: Mapping[str, Any]
    """The values, as they stand in a document, that say nothing and are not worth sealing."""


def personal_of(entity: type, service: str, blind: BlindIndexes) -> Personal | None:
    """The personal fields of a class of entities. None when there are none."""
    within = declared(entity, service)
    if not within:
        if blind:
            raise TypeError(f"{entity.__name__}: a blind index finds what is sealed, and nothing is")
        return None
    return Personal(tree=within, blind=blind, blanks=_blanks(entity, within), defaults=_defaults(entity, within))


# ---------------------------------------------------------------------------------------------------- what is declared


def declared(entity: type, service: str) -> Tree:
    """The personal fields of a class of entities, as its proto and its types declare them."""
    return _declared(entity, messages_of(service).get(entity.__name__), service, (entity,))


def _declared(cls: type, message: Descriptor | None, service: str, within: tuple[type, ...]) -> Tree:
    hints = typing.get_type_hints(cls, include_extras=True)
    found: dict[str, Tree | None] = {}
    for each in dataclasses.fields(cls):
        hint = hints[each.name]
        told = message.fields_by_name.get(each.name) if message is not None else None
        held, many = _held(hint)
        if _is_sealed(hint) or (told is not None and privacy.personal(told) is not None):
            found[each.name] = None
        elif held is not None:
            inner = privacy.inside(told) if told is not None else messages_of(service).get(held.__name__)
            if held in within:  # the tree would have no end
                if inner is not None and privacy.holds_personal(inner):
                    found[each.name] = None
            elif inside := _declared(held, inner, service, (*within, held)):
                everything = inside == dict.fromkeys(part.name for part in dataclasses.fields(held))
                found[each.name] = None if many or everything else inside
    return found


def _is_sealed(hint: Any) -> bool:
    return SEALED in getattr(hint, "__metadata__", ()) or any(map(_is_sealed, typing.get_args(hint)))


def _held(hint: Any) -> tuple[type | None, bool]:
    """(the dataclass that a field holds, whether it may hold many)."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint, False
    many = typing.get_origin(hint) not in (None, typing.Union, types.UnionType, typing.Annotated)
    for part in typing.get_args(hint):
        held, more = _held(part)
        if held is not None:
            return held, many or more
    return None, False


@cache
def declared_in_message(message: Descriptor) -> Tree:
    """The personal fields of messages of a type."""
    return _in_message(message, (message,))


def _in_message(message: Descriptor, within: tuple[Descriptor, ...]) -> Tree:
    found: dict[str, Tree | None] = {}
    for each in message.fields:
        held = privacy.inside(each)
        if privacy.personal(each) is not None:
            found[each.name] = None
        elif held is not None and privacy.holds_personal(held):
            endless = each.is_repeated or held in within
            inside = None if endless else _in_message(held, (*within, held))
            found[each.name] = None if inside == dict.fromkeys(held.fields_by_name) else inside
    return found


def messages_of(service: str) -> Mapping[str, Descriptor]:
    """Name → message, of all messages of a service, and those that services share, that are inside of no other."""
    return {**_messages("kehu.common.v1"), **_messages(f"kehu.{service}.v1")}


@cache
def _messages(package: str) -> Mapping[str, Descriptor]:
    try:
        folders = list(import_module(package).__path__)
        names = {found.name for found in pkgutil.iter_modules(folders) if found.name.endswith("_pb2")}
    except ModuleNotFoundError:
        names = {"events_pb2"} & {name.rpartition(".")[2] for name in sys.modules if name.startswith(f"{package}.")}
    modules = [import_module(f"{package}.{name}") for name in sorted(names)]
    return {name: found for module in modules for name, found in module.DESCRIPTOR.message_types_by_name.items()}


# -------------------------------------------------------------------------------------------------------------- blanks


def _required(each: dataclasses.Field[Any]) -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


def _blanks(cls: type, within: Tree) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for each in dataclasses.fields(cls):
        inside = within.get(each.name, ...)
        if inside is None and _required(each):
            values[each.name] = _blank(hints[each.name], f"{cls.__name__}: {each.name}")
        elif isinstance(inside, Mapping) and (nested := _blanks(_held_by(hints[each.name]), inside)):
            values[each.name] = nested
    return values


def _defaults(cls: type, within: Tree) -> dict[str, Any]:
    hints, blanks = typing.get_type_hints(cls), _blanks(cls, within)
    values: dict[str, Any] = {}
    for each in dataclasses.fields(cls):
        inside = within.get(each.name, ...)
        if isinstance(inside, Mapping):
            values[each.name] = _defaults(_held_by(hints[each.name]), inside)
        elif inside is None:
            made = each.default_factory() if each.default_factory is not dataclasses.MISSING else each.default
            values[each.name] = blanks[each.name] if _required(each) else plain(made)
    return values


def _held_by(hint: Any) -> type:
    return cast(type, _held(hint)[0])


def _blank(hint: Any, what: str) -> Any:
    """The least that a reader takes for a value of a type."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint)).value
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _blanks(hint, dict.fromkeys(each.name for each in dataclasses.fields(hint)))
    if type(None) in typing.get_args(hint):
        return None
    made = {str: "", bytes: b"", tuple: [], frozenset: [], Sequence: [], Mapping: {}, dict: {}}
    kind = typing.get_origin(hint) or hint
    if kind not in made:
        raise TypeError(f"{what} cannot be sealed without a default")
    return made[kind]


def split(
    document: Mapping[str, Any], within: Tree, defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what is left, what is personal) of a document. Personal values that say nothing are in neither."""
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


def fill(document: Mapping[str, Any], blanks: Mapping[str, Any], within: Tree) -> dict[str, Any]:
    """A document with what stands in the place of personal values that are not there."""
    filled = dict(document)
    for name, blank in blanks.items():
        if within[name] is None:
            filled.setdefault(name, blank)
        elif isinstance(filled.get(name), dict):
            filled[name] = fill(filled[name], blank, cast(Tree, within[name]))
    return filled


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
