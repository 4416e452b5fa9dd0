"""Dataclass ↔ MongoDB document and dataclass ↔ protobuf message, both by field name.

A field has one name in the proto, the dataclass and the document, so no service writes a converter. Enums map by value
(`State.ACTIVE = "ACTIVE"` is `STATE_ACTIVE`), a value of a newer release is carried (see `OpenEnum`), times are aware
UTC datetimes in whole milliseconds, and `google.type.Date` is `datetime.date`. The walk over a pair of types is worked
out once and cached.
"""

from __future__ import annotations

import dataclasses
import threading
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache, lru_cache
from typing import Any, TypeVar, cast, overload

import msgspec
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from libs.chassis.domain import FieldViolation, InvalidArgument, OpenEnum
from libs.chassis.enums import enum_prefix

T = TypeVar("T")
D = TypeVar("D")
M = TypeVar("M", bound=Message)

_STORED_BY_THE_DRIVER = (datetime, bytes)
_KEPT_BY_THE_STORE = frozenset({"id", "revision", "create_time", "update_time"})


# ---------------------------------------------------------------------------------------------- documents


def to_doc(value: Any) -> dict[str, Any]:
    """The document of a dataclass: `id` becomes `_id`, enums their value, dates ISO text, tuples lists."""
    document: dict[str, Any] = msgspec.to_builtins(value, builtin_types=_STORED_BY_THE_DRIVER)
    if "id" in document:
        document["_id"] = document.pop("id")
    return document


def from_doc(cls: type[T], document: Mapping[str, Any]) -> T:
    """The dataclass of a document. Fields that the class does not know are ignored, so an old reader meets new data."""
    if cls not in _known:
        _make_known(cls)
    if "_id" in document:
        document = {**document, "id": document["_id"]}
    return msgspec.convert(document, cls, builtin_types=_STORED_BY_THE_DRIVER)


_known: set[type] = set()
_making_known = threading.Lock()


def _make_known(cls: type) -> None:
    """Has msgspec work out a class, and those inside it, before threads use it at once.

    It keeps what it works out half-finished on the class, for classes that contain themselves, and a second thread that
    meets such a half crashes the process (0.22; seen as a segmentation fault right after a start under load).
    """
    with _making_known:
        with suppress(msgspec.ValidationError):
            msgspec.convert({}, cls, builtin_types=_STORED_BY_THE_DRIVER)
        _known.add(cls)


def plain(value: Any) -> Any:
    """A single value as it stands in a document, for use in a query."""
    return msgspec.to_builtins(value, builtin_types=_STORED_BY_THE_DRIVER)


# ----------------------------------------------------------------------------------------------- messages


def to_proto(value: object, message_class: type[M]) -> M:
    """The message of a dataclass. Fields that the message lacks (search keys and the like) stay at home."""
    return message_class(**_writer(cast(Any, type(value)), message_class.DESCRIPTOR)(value))


def from_proto(cls: type[T], message: Message) -> T:
    """The dataclass of a message. InvalidArgument names the path of a field that has no acceptable value."""
    return cast(T, _reader(cast(Any, cls), message.DESCRIPTOR)(message))


@overload
def field_of(message: Message, name: str, cls: type[T]) -> T: ...
@overload
def field_of(message: Message, name: str, cls: type[T], default: D) -> T | D: ...
def field_of(message: Message, name: str, cls: type[T], default: Any = MISSING) -> Any:
    """The value of one field of a request: a dataclass, an enum, a time, or a `tuple[…, ...]` of them.

    An absent one is its default, or, without a default, refused as required. InvalidArgument names the path of a field
    that has no acceptable value.
    """
    value = _field_reader(message.DESCRIPTOR, name, cast(Any, cls))(message)
    if value is not MISSING:
        return value
    return default if default is not MISSING else _absent(name, optional=False, has_default=False)


def merge(cls: type[T], current: T, message: Message, update_mask: FieldMask) -> T:
    """`current` with the fields that the mask names taken from `message` (AIP-134).

    An empty mask means every populated field and `*` means all; output-only fields are ignored. A path that does not
    exist is refused. Repeated and message fields are replaced whole, never appended to.
    """
    descriptor = message.DESCRIPTOR
    paths = list(update_mask.paths) or [field.name for field, _ in message.ListFields()]
    if paths == ["*"]:
        paths = [field.name for field in descriptor.fields]
    named = {path.partition(".")[0] for path in paths}
    merged = type(message)(**_written(current, _write_plan(cast(Any, type(current)), descriptor), named))
    touched = {path.partition(".")[0] for path in paths if _copy_path(message, merged, path)}
    reads = _read_plan(cast(Any, cls), descriptor)
    values = {name: reads[name](merged) for name in touched & reads.keys()}
    for name in [name for name, value in values.items() if value is MISSING]:
        values[name] = _default(cast(Any, cls), name)
    return cast(T, replace(cast(Any, current), **values))


def _copy_path(source: Message, target: Message, path: str) -> bool:
    """Copy one path. False where it is output only. Refuses paths that lead nowhere."""
    *parents, leaf = path.split(".")
    for depth, name in enumerate([*parents, leaf]):
        field = source.DESCRIPTOR.fields_by_name.get(name)
        if field is None or (depth < len(parents) and (field.is_repeated or field.message_type is None)):
            raise InvalidArgument.field("update_mask", f"no field {path!r}; paths name fields of the resource")
        if is_output_only(field):
            return False
        if depth < len(parents):
            if not source.HasField(name) and not target.HasField(name):
                return True
            source, target = getattr(source, name), getattr(target, name)
    target.ClearField(cast(Any, leaf))
    for field, value in source.ListFields():
        if field.name != leaf:
            continue
        if field.is_repeated or field.message_type is not None:
            getattr(target, leaf).MergeFrom(value)
        else:
            setattr(target, leaf, value)
    return True


@cache
def is_output_only(field: FieldDescriptor) -> bool:
    """Returns true for a field that only the server writes."""
    behaviour = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field.name in _KEPT_BY_THE_STORE or field_behavior_pb2.OUTPUT_ONLY in behaviour


# ------------------------------------------------------------------------------------- dataclass → message


@cache
def _writer(cls: type, descriptor: Descriptor) -> Callable[[Any], dict[str, Any]]:
    plan = tuple(_write_plan(cls, descriptor).items())

    def write(value: Any) -> dict[str, Any]:
        out = {}
        for name, convert in plan:
            item = getattr(value, name)
            if item is not None and item != ():
                out[name] = item if convert is None else convert(item)
        return out

    return write


@cache
def _write_plan(cls: type, descriptor: Descriptor) -> dict[str, Callable[[Any], Any] | None]:
    """Field → what converts it, or None for those that stay as they are."""
    fields = descriptor.fields_by_name
    return {name: _write_field(fields[name], hint) for name, hint in _hints(cls).items() if name in fields}


def _written(value: Any, plan: Mapping[str, Callable[[Any], Any] | None], names: Iterable[str]) -> dict[str, Any]:
    """The named fields of a dataclass as a message takes them. What is absent or empty is left out."""
    out = {}
    for name in names:
        item = getattr(value, name, None)
        if item is not None and item != () and name in plan:
            convert = plan[name]
            out[name] = item if convert is None else convert(item)
    return out


def _write_field(field: FieldDescriptor, hint: Any) -> Callable[[Any], Any] | None:
    if _is_map(field):
        value = _write_one(cast(Any, field.message_type).fields_by_name["value"], typing.get_args(hint)[1])
        return dict if value is None else lambda items: {key: value(item) for key, item in items.items()}
    if field.is_repeated:
        each = _write_one(field, _element(hint))
        return list if each is None else lambda items: [each(item) for item in items]
    return _write_one(field, _optional(hint)[0])


def _write_one(field: FieldDescriptor, hint: Any) -> Callable[[Any], Any] | None:
    if field.enum_type is not None:
        return _write_enum(field.enum_type, hint)
    if field.message_type is None:
        return None
    known = _WELL_KNOWN_WRITERS.get(field.message_type.full_name)
    if known is not None:
        return known
    if hint is Any or not dataclasses.is_dataclass(hint):
        raise TypeError(f"{field.full_name}: cannot write {hint} as {field.message_type.full_name}")
    # Built on first use, so that messages may contain themselves.
    message_type = field.message_type
    return lambda value: _writer(cast(Any, type(value)), message_type)(value)


def _write_enum(descriptor: EnumDescriptor, enum: type[Enum]) -> Callable[[Any], int]:
    numbers = {member: number for number, member in _members(descriptor, enum).items()}

    def write(member: Any) -> int:
        number = numbers.get(member)
        if number is not None:
            return number
        # Of a newer release: by its number when it came in a message, unspecified when only its name is known.
        return int(member) if isinstance(member, str) and member.isdecimal() else 0

    return write


@lru_cache(maxsize=64)  # entity, event and envelope of one write tell the same moments
def timestamp(at: datetime) -> Mapping[str, int]:
    """A moment as a constructor of messages takes it."""
    seconds = int((at - _EPOCH) // timedelta(seconds=1))
    return {"seconds": seconds, "nanos": at.microsecond * 1000}


def _duration(value: timedelta) -> dict[str, int]:
    microseconds = value // timedelta(microseconds=1)
    seconds = abs(microseconds) // 1_000_000 * (1 if microseconds >= 0 else -1)
    return {"seconds": seconds, "nanos": (microseconds - seconds * 1_000_000) * 1000}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WELL_KNOWN_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "google.protobuf.Timestamp": timestamp,
    "google.protobuf.Duration": _duration,
    "google.type.Date": lambda day: {"year": day.year, "month": day.month, "day": day.day},
}


# ------------------------------------------------------------------------------------- message → dataclass


@cache
def _reader(cls: type, descriptor: Descriptor) -> Callable[[Any], Any]:
    plan = _read_plan(cls, descriptor).items()

    def read(message: Any) -> Any:
        values = {}
        for name, convert in plan:
            value = convert(message)
            if value is not MISSING:
                values[name] = value
        return cls(**values)

    return read


@cache
def _read_plan(cls: type, descriptor: Descriptor) -> dict[str, Callable[[Any], Any]]:
    """Field → what reads it from the message. MISSING means its default."""
    fields, targets = descriptor.fields_by_name, {field.name: field for field in dataclasses.fields(cls)}
    hints = {name: hint for name, hint in _hints(cls).items() if name in fields}
    return {name: _read_field(fields[name], hint, _has_default(targets[name])) for name, hint in hints.items()}


@cache
def _field_reader(descriptor: Descriptor, name: str, hint: Any) -> Callable[[Any], Any]:
    """Reads one field. MISSING when it is absent."""
    return _read_field(descriptor.fields_by_name[name], hint, has_default=True)


def _has_default(target: dataclasses.Field[Any]) -> bool:
    return target.default is not MISSING or target.default_factory is not MISSING


def _default(cls: type, name: str) -> Any:
    """The default of a field."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _read_field(field: FieldDescriptor, hint: Any, has_default: bool) -> Callable[[Any], Any]:
    name = field.name
    if _is_map(field):
        each = _read_one(cast(Any, field.message_type).fields_by_name["value"], typing.get_args(hint)[1])
        return lambda message: {
            key: _within(f"{name}[{key}]", each, value) for key, value in sorted(getattr(message, name).items())
        }
    if field.is_repeated:
        each = _read_one(field, _element(hint))
        return lambda message: tuple(
            _within(f"{name}[{i}]", each, value) for i, value in enumerate(getattr(message, name))
        )
    inner, optional = _optional(hint)
    one = _read_one(field, inner)
    if field.has_presence:

        def read_present(message: Any) -> Any:
            if message.HasField(name):
                return _within(name, one, getattr(message, name))
            return _absent(name, optional, has_default)

        return read_present
    if field.enum_type is not None:

        def read_enum(message: Any) -> Any:
            number = getattr(message, name)
            return _within(name, one, number) if number else _absent(name, optional, has_default)

        return read_enum
    return lambda message: one(getattr(message, name))


def _absent(name: str, optional: bool, has_default: bool) -> Any:
    if optional:
        return None
    if has_default:
        return MISSING
    raise InvalidArgument.field(name, "is required")


def _within(path: str, read: Callable[[Any], Any], value: Any) -> Any:
    """Read a nested value. Its complaints get this path in front."""
    try:
        return read(value)
    except InvalidArgument as error:
        raise at_path(path, error) from None


def at_path(path: str, error: InvalidArgument) -> InvalidArgument:
    """The same refusal seen from outside: `path` in front of every field it names."""
    return InvalidArgument(
        violations=[
            FieldViolation(f"{path}.{v.field}" if v.field else path, v.description, v.reason) for v in error.violations
        ],
        message="" if error.violations else f"{path}: {error.message}",
        reason=error.reason_code,
        **error.metadata,
    )


def _read_one(field: FieldDescriptor, hint: Any) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        members = _members(field.enum_type, hint)
        allowed = ", ".join(sorted(value.name for value in field.enum_type.values if value.number))

        def read_enum(number: int) -> Any:
            member = members.get(number)
            if member is not None:
                return member
            if issubclass(hint, OpenEnum):
                return hint(str(number))
            raise InvalidArgument.field("", f"{number} is not one of {allowed}")

        return read_enum
    if field.message_type is None:
        return lambda value: value
    known = _WELL_KNOWN_READERS.get(field.message_type.full_name)
    if known is not None:
        return known
    message_type = field.message_type
    # Built on first use, so that messages may contain themselves.
    return lambda message: _reader(hint, message_type)(message)  # noqa: PLW0108


def _read_timestamp(message: Any) -> datetime:
    try:
        at = _EPOCH + timedelta(seconds=message.seconds, milliseconds=message.nanos // 1_000_000)
    except OverflowError:
        raise InvalidArgument.field("", "is outside of the years 1 to 9999") from None
    return at


def _read_duration(message: Any) -> timedelta:
    try:
        return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        raise InvalidArgument.field("", "is longer than 10,000 years") from None


def _read_date(message: Any) -> date:
    try:
        return date(message.year, message.month, message.day)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument.field("", f"is not a calendar date: {error}") from None


_WELL_KNOWN_READERS: Mapping[str, Callable[[Any], Any]] = {
    "google.protobuf.Timestamp": _read_timestamp,
    "google.protobuf.Duration": _read_duration,
    "google.type.Date": _read_date,
}


# --------------------------------------------------------------------------------------------- type hints


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@cache
def _members(descriptor: EnumDescriptor, enum: type[Enum]) -> Mapping[int, Enum]:
    """Proto number → member, by value name without its prefix."""
    prefix = enum_prefix(descriptor)
    by_value = {member.value: member for member in enum}
    return {
        value.number: by_value[value.name.removeprefix(prefix)]
        for value in descriptor.values
        if value.number and value.name.removeprefix(prefix) in by_value
    }


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _element(hint: Any) -> Any:
    """`T` of `tuple[T, ...]`, `Sequence[T]` or `frozenset[T]`."""
    hint = _optional(hint)[0]
    if typing.get_origin(hint) not in (tuple, Sequence, frozenset, list):
        raise TypeError(f"a repeated field needs tuple[T, ...], not {hint}")
    return _optional(typing.get_args(hint)[0])[0]


def _optional(hint: Any) -> tuple[Any, bool]:
    """The type without `None`, and whether `None` was allowed."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [arm for arm in typing.get_args(hint) if arm is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return hint, False
