"""The claim that a write must still hold when it lands: that of the process that makes it.

A process that was paused for longer than its claim lasts goes on where it stood, with what it had read before. Inside a
fence every transaction first writes the claim itself, so the database lets either this process or the one that took
over go first, and never a late write of the former through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Hold = Callable[[], None]
"""Writes the claim, in the transaction that is open. Raises when another process has it."""

_hold: ContextVar[Hold | None] = ContextVar("kehu_fence", default=None)


@contextmanager
def fence(hold: Hold | None) -> Iterator[None]:
    """Every change of the store inside the block holds this claim, or with None no claim."""
    token = _hold.set(hold)
    try:
        yield
    finally:
        _hold.reset(token)


def is_fenced() -> bool:
    """True when changes have to hold a claim here."""
    return _hold.get() is not None


def hold_claim() -> None:
    """Called by a transaction that begins."""
    hold = _hold.get()
    if hold is not None:
        with fence(None):
            hold()
