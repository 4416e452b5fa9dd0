"""The right of a process to call other services: an api process and the child of an operation have it, a worker not.

A worker reacts to events, and would stop with whom it calls; it projects what it needs to know of others instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from libs.engine.access import Speaker

_speakers: list[Speaker] = []


def speaker() -> Speaker | None:
    """Returns the identity that this process calls with. None when it may not call."""
    return _speakers[-1] if _speakers else None


@contextmanager
def speaking(as_speaker: Speaker) -> Iterator[None]:
    """Lets the process call other services inside the block."""
    _speakers.append(as_speaker)
    try:
        yield
    finally:
        _speakers.remove(as_speaker)
