"""Waiting for what comes within moments, not at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T | None], seconds: float = 90.0) -> T:
    """The first truthy answer of `look`; fails with the last one after `seconds`, which only a slow machine needs."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds:g} s"
        time.sleep(0.02)
    return found
