"""Between Python values and protobuf messages.

Amounts of money are integers in the smallest unit of their currency, so the number of decimals of a currency (ISO 4217)
decides: 12.34 USD is 1234, 1234 JPY is 1234, 1.234 KWD is 1234.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from kehu.common.v1.types_pb2 import Money

from libs.chassis.enums import enum_prefix
from libs.money import exponent

M = TypeVar("M", bound=Message)


def to_money(amount: Decimal | int | str, currency: str) -> Money:
    """`to_money("12.34", "USD")`. ValueError when the amount has more decimals than the currency."""
    if isinstance(amount, float):
        raise TypeError("a float cannot hold an amount of money exactly: pass a Decimal, an int or a str")
    scaled = Decimal(amount).scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more than the {exponent(currency)} decimals of {currency}")
    return Money(currency_code=currency, minor_units=int(scaled))


def from_money(money: Money) -> Decimal:
    """The amount as a Decimal with the decimals of its currency: `12.30` for 1230 USD."""
    return Decimal(money.minor_units).scaleb(-exponent(money.currency_code))


def to_timestamp(at: datetime) -> Timestamp:
    """`at` as a Timestamp. ValueError for a datetime without a zone, because it names no instant."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no zone; say which, for example datetime(…, tzinfo=UTC)")
    stamp = Timestamp()
    stamp.FromDatetime(at.astimezone(UTC))
    return stamp


def from_timestamp(stamp: Timestamp) -> datetime:
    """The instant as an aware datetime in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


def to_date(day: date) -> Date:
    """`day` as a google.type.Date."""
    return Date(year=day.year, month=day.month, day=day.day)


def from_date(day: Date) -> date:
    """The day as a date. ValueError for a partial one, which a birthday without its year is."""
    return date(day.year, day.month, day.day)


def fill(message: M, fields: Mapping[str, object]) -> M:
    """Sets fields of `message` by name from plain Python values and returns it.

    Mappings become messages, sequences repeated fields, datetimes Timestamps, dates Dates, timedeltas Durations; an
    enum may be given by its short name (`"ACTIVE"` for `STATE_ACTIVE`). None leaves a field absent.
    TypeError names the fields that exist when one does not.
    """
    known = message.DESCRIPTOR.fields_by_name
    for name, value in fields.items():
        if name not in known:
            raise TypeError(f"{message.DESCRIPTOR.name} has no field {name!r}; it has {', '.join(known)}")
        if value is None:
            continue
        field = known[name]
        try:
            _set(message, field, value)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{message.DESCRIPTOR.name}.{name}: {error}") from error
    return message


def _set(message: Message, field: Any, value: object) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _set_map(message, field, value)
    elif field.is_repeated:
        items = getattr(message, field.name)
        del items[:]
        for item in _items(value):
            if field.message_type is not None:
                _copy(items.add(), item)
            else:
                items.append(_scalar(field, item))
    elif field.message_type is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        _copy(target, value)
    else:
        setattr(message, field.name, _scalar(field, value))


def _set_map(message: Message, field: Any, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a mapping, not {type(value).__name__}")
    entries = getattr(message, field.name)
    entries.clear()
    entry = field.message_type.fields_by_name["value"]
    for key, item in value.items():
        if entry.message_type is not None:
            _copy(entries[key], item)
        else:
            entries[key] = _scalar(entry, item)


def _items(value: object) -> list[object]:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise TypeError(f"expected a sequence, not {type(value).__name__}")
    return list(value)


def _copy(target: Message, value: object) -> None:
    if isinstance(value, datetime) and isinstance(target, Timestamp):
        target.CopyFrom(to_timestamp(value))
    elif isinstance(value, timedelta) and isinstance(target, Duration):
        target.FromTimedelta(value)
    elif isinstance(value, date) and isinstance(target, Date):
        target.CopyFrom(to_date(value))
    elif isinstance(value, Message):
        target.CopyFrom(value)
    elif isinstance(value, Mapping):
        fill(target, value)
    else:
        raise TypeError(f"expected a {target.DESCRIPTOR.name}, not {type(value).__name__}")


def _scalar(field: Any, value: object) -> object:
    if field.enum_type is None:
        return value
    if isinstance(value, Enum):
        value = value.value
    return enum_number(field.enum_type, value) if isinstance(value, str) else value


def enum_number(enum: EnumDescriptor, name: str) -> int:
    """The number of an enum value by its full or its short name. ValueError lists what there is."""
    found = enum.values_by_name.get(name) or enum.values_by_name.get(enum_prefix(enum) + name)
    if found is None:
        raise ValueError(f"{name!r} is none of {', '.join(short_names(enum))}")
    return int(found.number)


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """The short name of an enum value, or its number as text when it is newer than this client."""
    found = enum.values_by_number.get(number)
    return found.name.removeprefix(enum_prefix(enum)) if found else str(number)


def short_names(enum: EnumDescriptor) -> list[str]:
    """The short names of an enum, without the zero value."""
    return [value.name.removeprefix(enum_prefix(enum)) for value in enum.values if value.number]
