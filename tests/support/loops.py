"""Runs the loops of the chassis on plain threads, without nameko: what keeps the exit door from eventlet open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from libs.chassis.loop import Loop


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


def eventually(check: Callable[[], object], seconds: float = 20) -> None:
    """Returns when `check` gives something true; fails with its last value after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(0.02)
