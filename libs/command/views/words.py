"""Short words and marks for channels, states and times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from libs.client.values import enum_name

CHANNEL_MARKS = {
    "VOICE": "☎",
    "EMAIL": "✉",
    "WEB_CHAT": "▤",
    "MESSENGER": "◉",
    "SMS": "▫",
    "FAX": "⎙",
    "VISIT": "⌂",
    "VIDEO": "▶",
    "WEB_SESSION": "⌘",
    "LETTER": "✎",
}


def name_of(message: Message, field: str, value: int | None = None) -> str:
    """The short name of an enum field's value, for example `ACTIVE`."""
    number = getattr(message, field) if value is None else value
    enum: Any = message.DESCRIPTOR.fields_by_name[field].enum_type
    return enum_name(enum, number)


def word(name: str) -> str:
    """An enum name as a word: `WEB_CHAT` → `web chat`."""
    return name.replace("_", " ").lower()


def moment(stamp: Timestamp, zone: Any = None) -> str:
    """A moment to the minute, in the given zone or in that of this machine."""
    return f"{stamp.ToDatetime(tzinfo=UTC).astimezone(zone):%Y-%m-%d %H:%M}"


def ago(stamp: Timestamp, now: datetime) -> str:
    """Returns the distance in time, in the largest unit that fits: `3 days ago`, `in 2 hours`."""
    seconds = int((now - stamp.ToDatetime(tzinfo=UTC)).total_seconds())
    for unit, size in (("year", 31_557_600), ("month", 2_629_800), ("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = abs(seconds) // size
        if count:
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds >= 0 else "in a moment"


def spark(values: list[int]) -> str:
    """A line of bars, the highest for the largest value."""
    top = max(values, default=0)
    if top == 0:
        return "▁" * len(values)
    return "".join("▁▂▃▄▅▆▇█"[min(7, value * 7 // top)] for value in values)
