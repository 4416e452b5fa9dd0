"""Ids and time: services take the clock and randomness from here and from nowhere else.

Both can be replaced for a test: `with clock(FixedClock(...))`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case: sorts like the number it encodes
_ID = re.compile(r"[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}")


class Clock(Protocol):
    """Tells the time. It is the clock of the process, unless a test replaces it."""

    def now(self) -> datetime: ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by


_clock: ContextVar[Clock] = ContextVar("clock", default=SystemClock())  # noqa: B039  (stateless)


@contextmanager
def clock(replacement: Clock) -> Iterator[Clock]:
    """Use another clock inside the block."""
    token = _clock.set(replacement)
    try:
        yield replacement
    finally:
        _clock.reset(token)


def now() -> datetime:
    """The time in UTC, cut to the milliseconds that MongoDB keeps, so that a value reads back as it was written."""
    at = _clock.get().now()
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def new_id(prefix: str) -> str:
    """A new typed id, `cus_01jd5w…`: 48 bits of milliseconds, then 82 random bits, so ids sort by creation."""
    milliseconds = int(_clock.get().now().timestamp() * 1000)
    return f"{prefix}_{_encode(milliseconds << 82 | secrets.randbits(82))}"


def salt() -> str:
    """128 random bits in hex, to make a digest say nothing to a guesser."""
    return secrets.token_hex(16)


def derived_id(prefix: str, *parts: str) -> str:
    """The typed id that always belongs to these parts (tenant and natural key), so that a repeat finds the first.

    Derived ids do not sort by time.
    """
    joined = "\x1f".join(part.replace("\\", "\\\\").replace("\x1f", "\\u") for part in parts)
    digest = hashlib.sha256(joined.encode()).digest()
    return f"{prefix}_{_encode(int.from_bytes(digest[:17]) >> 6)}"


def is_id(prefix: str, value: str) -> bool:
    """True for a well-formed id of this type."""
    return value.startswith(f"{prefix}_") and _ID.fullmatch(value) is not None


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
