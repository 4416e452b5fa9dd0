"""Personal values in messages, as the protos declare them: what a caller is shown, and what others see instead.

A field declares its class once, `string family = 1 [(kehu.common.v1.personal) = {class: NAMES}];`, and every response
that carries it is masked at the exit of the server, unless a scope of the caller opens the class. What is declared here
is also sealed in documents and events (`libs.engine.sealing`) and hidden in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, Final, TypeVar, cast

from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kehu.common.v1 import options_pb2
from kehu.common.v1.options_pb2 import Personal

from libs.chassis import context
from libs.chassis.codec import to_proto
from libs.chassis.domain import E, PermissionDenied
from libs.chassis.scopes import covers

DOTS: Final = "•••••"
"""Stands for what a caller is not shown."""

M = TypeVar("M", bound=Message)
Classes = frozenset[int]
"""Numbers of `Personal.Class`."""
Masking = Callable[[Any], None]
"""Masks a message in place."""

_CLASSES: Final = Personal.Class.DESCRIPTOR
_SCOPES: Final[Mapping[int, str]] = {
    value.number: scope for value in _CLASSES.values if (scope := value.GetOptions().Extensions[options_pb2.opened_by])
}
EVERY_CLASS: Final = frozenset(_SCOPES)
"""The classes that need a scope to be shown."""


# ----------------------------------------------------------------------------------------------------- declarations


def personal(field: FieldDescriptor) -> Personal | None:
    """The declaration of a personal field. None for one that is not."""
    options = field.GetOptions()
    return options.Extensions[options_pb2.personal] if options.HasExtension(options_pb2.personal) else None


def opened(scopes: Iterable[str], name: int) -> bool:
    """Tells that one of the scopes shows a class in full."""
    return covers(scopes, _SCOPES[name])


@lru_cache(maxsize=256)
def hidden_from(scopes: frozenset[str]) -> Classes:
    """The classes that a caller with these scopes is not shown."""
    return frozenset(each for each in EVERY_CLASS if not opened(scopes, each))


def is_map(field: FieldDescriptor) -> bool:
    """Tells that a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def inside(field: FieldDescriptor) -> Descriptor | None:
    """The message that a field holds, alone, repeated or as the value of a map."""
    if is_map(field):
        return cast(Descriptor, field.message_type).fields_by_name["value"].message_type
    return field.message_type


@cache
def reachable(message: Descriptor) -> Sequence[Descriptor]:
    """The message and every message inside of it."""
    found = [message]
    for here in found:
        found += {held for field in here.fields if (held := inside(field)) is not None and held not in found}
    return tuple(found)


# ------------------------------------------------------------------------------------------------------------ masks


def mask_contact_point(value: str) -> str:
    """A number, mailbox or handle of which just enough is left to recognize it.

    >>> mask_contact_point("+8613812345678"), mask_contact_point("ada@example.com"), mask_contact_point("wechat:ada_l")
    ('+86•••••78', 'a•••••@example.com', 'wechat:a•••••')
    """
    if not value:
        return ""
    mailbox, at, domain = value.rpartition("@")
    if at:
        return f"{mailbox[:1]}{DOTS}@{domain}"
    network, colon, handle = value.partition(":")
    if colon:
        return f"{network}:{handle[:1]}{DOTS}"
    return f"{value[:3]}{DOTS}{value[-2:]}" if value.startswith("+") else DOTS


def mask_name(value: str) -> str:
    """A name of which the first letter is left.

    >>> mask_name("王小明"), mask_name("Ada Lovelace"), mask_name("")
    ('王•••••', 'A•••••', '')
    """
    return f"{value[:1]}{DOTS}" if value else ""


_TEXT_MASKS: Final[Mapping[int, Callable[[str], str]]] = {
    Personal.DOTS: lambda value: DOTS if value else "",
    Personal.FIRST_LETTER: mask_name,
    Personal.CONTACT_POINT: mask_contact_point,
}
_USUAL_MASK: Final[Mapping[int, int]] = {
    Personal.CONTENT: Personal.SHOWN,
    Personal.NAMES: Personal.FIRST_LETTER,
    Personal.CONTACTS: Personal.CONTACT_POINT,
    Personal.ADDRESSES: Personal.DOTS,
    Personal.DATES: Personal.DOTS,
}


def masked(message: M, hidden: Classes) -> M:
    """The message without the classes that are hidden from its caller. The message itself when it holds none."""
    masking = _masking(message.DESCRIPTOR, hidden)
    if masking is None:
        return message
    # A copy, because others may be shown the same message in full.
    copy = type(message)()
    copy.CopyFrom(message)
    masking(copy)
    return copy


@cache
def classes_in(message: Descriptor) -> Classes:
    """The classes of which a message may hold something that is not shown to everybody."""
    messages = reachable(message)
    if any(each.full_name == "google.protobuf.Any" for each in messages):
        return EVERY_CLASS
    return frozenset().union(*(_classes_of(field) for each in messages for field in each.fields))


def _classes_of(field: FieldDescriptor) -> Classes:
    declared = personal(field)
    if declared is None:
        return frozenset()
    if declared.class_by:
        return frozenset(_classes_by_value(field, declared).values())
    return frozenset() if _mask_of(declared) == Personal.SHOWN else frozenset({getattr(declared, "class")})


def _mask_of(declared: Personal) -> int:
    return declared.mask or _USUAL_MASK[getattr(declared, "class")]


def _classes_by_value(field: FieldDescriptor, declared: Personal) -> dict[int, int]:
    """Number of the enum beside the field → class that the field belongs to then."""
    values = _enum(field, declared.class_by).values
    told = {value.number: value.GetOptions().Extensions[options_pb2.comes_with] for value in values}
    return {number: name for number, name in told.items() if name}


def _enum(field: FieldDescriptor, beside: str) -> EnumDescriptor:
    return cast(EnumDescriptor, cast(Descriptor, field.containing_type).fields_by_name[beside].enum_type)


@cache
def holds_personal(message: Descriptor) -> bool:
    """Tells that a message has a personal field, of its own or inside."""
    return any(personal(field) is not None for each in reachable(message) for field in each.fields)


@cache
def _masking(message: Descriptor, hidden: Classes) -> Masking | None:
    """A function that masks messages of a type in place. None when nothing in them is hidden."""
    if not classes_in(message) & hidden:
        return None
    if message.full_name == "google.protobuf.Any":
        return lambda packed: _mask_packed(packed, hidden)
    steps = [step for field in message.fields for step in _steps(field, hidden)]
    # Those that look at a field beside theirs come before it is masked itself.
    steps.sort(key=lambda step: not step[0])
    inner = [step for _, step in steps]

    def mask(value: Any) -> None:
        for step in inner:
            step(value)

    return mask


def _mask_packed(packed: AnyMessage, hidden: Classes) -> None:
    if not packed.type_url:
        return
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
    except KeyError:
        packed.Clear()  # of what nobody here knows, nobody can tell that it holds nothing personal
        return
    masking = _masking(found, hidden)
    if masking is not None:
        message = GetMessageClass(found)()
        packed.Unpack(message)
        masking(message)
        packed.Pack(message, packed.type_url.rpartition("/")[0])


def _steps(field: FieldDescriptor, hidden: Classes) -> list[tuple[bool, Masking]]:
    """(whether it has to come first, what masks the field) for a field in which something is hidden."""
    declared = personal(field)
    if declared is not None and _classes_of(field) & hidden:
        return [(bool(declared.class_by or declared.shown_as), _masking_of(field, declared, hidden))]
    held = inside(field)
    if held is None or not classes_in(held) & hidden:
        return []
    return [(False, _descent(field, held, hidden))]


def _descent(field: FieldDescriptor, held: Descriptor, hidden: Classes) -> Masking:
    name = field.name

    def each_value(message: Any) -> None:
        masking = cast(Masking, _masking(held, hidden))
        for value in getattr(message, name).values():
            masking(value)

    def each(message: Any) -> None:
        masking = cast(Masking, _masking(held, hidden))  # found when it is needed: messages may hold themselves
        for value in getattr(message, name):
            masking(value)

    def one(message: Any) -> None:
        if message.HasField(name):
            cast(Masking, _masking(held, hidden))(getattr(message, name))

    return each_value if is_map(field) else each if field.is_repeated else one


def _masking_of(field: FieldDescriptor, declared: Personal, hidden: Classes) -> Masking:
    if declared.class_by:
        return _masking_by_value(field, declared.class_by, _classes_by_value(field, declared), hidden)
    name = field.name
    text = _TEXT_MASKS[_mask_of(declared)]
    if declared.shown_as:

        def borrow(message: Any) -> None:
            setattr(message, name, text(getattr(message, declared.shown_as)))

        return borrow
    return _text_masking(field, text)


def _masking_by_value(field: FieldDescriptor, beside: str, classes: Mapping[int, int], hidden: Classes) -> Masking:
    masks = {number: _text_masking(field, _TEXT_MASKS[_USUAL_MASK[each]]) for number, each in classes.items()}
    # Of a value that a newer release added, nobody here knows the class.
    unknown = _text_masking(field, _TEXT_MASKS[Personal.DOTS])
    known = _enum(field, beside).values_by_number

    def mask(message: Any) -> None:
        number = getattr(message, beside)
        if number not in known:
            unknown(message)
        elif classes.get(number) in hidden:
            masks[number](message)

    return mask


def _text_masking(field: FieldDescriptor, text: Callable[[str], str]) -> Masking:
    name = field.name
    held = cast(Descriptor, field.message_type).fields_by_name["value"] if is_map(field) else field
    if held.type != FieldDescriptor.TYPE_STRING:
        return lambda message: message.ClearField(name)

    def mask_map(message: Any) -> None:
        values = getattr(message, name)
        for key in [*values]:
            values[key] = text(values[key])

    def mask_each(message: Any) -> None:
        values = getattr(message, name)
        values[:] = dict.fromkeys(map(text, values))  # equal masks stand once, so that nobody counts dots

    def mask_one(message: Any) -> None:
        value = getattr(message, name)
        if value:
            setattr(message, name, text(value))

    return mask_map if is_map(field) else mask_each if field.is_repeated else mask_one


class FieldsMasked(PermissionDenied):
    """The {fields} are masked for you: {scope} is needed."""

    scope: str
    fields: str


def unmasked(current: E, draft: E, message: type[Message]) -> E:
    """A draft with the fields that its author was shown masked, and left alone, as they are.

    FieldsMasked when they were altered: nobody changes what they cannot see.
    """
    hidden = hidden_from(context.current().scopes)
    if not classes_in(message.DESCRIPTOR) & hidden:
        return draft
    kept, sent = to_proto(current, message), to_proto(draft, message)
    shown = masked(kept, hidden)
    for field in cast(Sequence[FieldDescriptor], message.DESCRIPTOR.fields):
        if not _hides(field, hidden):
            continue
        name = field.name
        value = getattr(sent, name)
        if value == getattr(kept, name) or value == getattr(shown, name):
            draft = replace(draft, **{name: getattr(current, name)})
        else:
            scope = _SCOPES[min(_hides(field, hidden))]
            raise FieldsMasked(scope=scope, fields=name.replace("_", " "))
    return draft


def _hides(field: FieldDescriptor, hidden: Classes) -> Classes:
    """The hidden classes of which a field may hold something."""
    held = inside(field)
    return (_classes_of(field) | (classes_in(held) if held is not None else frozenset())) & hidden
