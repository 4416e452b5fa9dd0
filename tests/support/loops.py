"""Runs the loops of the chassis on plain threads, without nameko: what keeps the exit door from eventlet open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from libs.engine.loop import Loop


@contextmanager
def running(*loops: Loop) -> Iterator[None]:
    """Runs the loops inside the block, and expects each to end in good order after it."""
    threads = [threading.Thread(target=loop.run, name=loop.name, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(20)
        assert not [thread.name for thread in threads if thread.is_alive()], "a loop does not stop"
