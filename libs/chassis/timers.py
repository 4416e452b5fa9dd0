"""Work that time causes: what is due is looked for again and again, by one process at a time.

The lease only saves work. A timer's function must decide by the state of what it finds, so that two runners at once
still do each thing once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

import pymongo
from pymongo.errors import PyMongoError

from libs.chassis.lease import Lease
from libs.chassis.loop import Loop
from libs.chassis.store import Contention, RelayBehind

_DATABASE_TIMEOUT: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Timer:
    """What a service does when time comes."""

    name: str
    every: timedelta
    """Pause between two looks when nothing is due."""
    run: Callable[[], int]
    """Does a bounded amount of what is due, of every tenant, and tells how much; called again at once until it is 0."""


class TimerLoop(Loop):
    """Runs one timer while it holds the lease."""

    interruptions: ClassVar = (PyMongoError, Contention, RelayBehind)

    def __init__(self, service: str, timer: Timer, lease: Lease) -> None:
        super().__init__(f"{service}.{timer.name}")
        self._timer = timer
        self._lease = lease

    def _serve(self) -> None:
        while not self.stopping.is_set():
            with pymongo.timeout(_DATABASE_TIMEOUT):
                done = self._timer.run() if self._lease.hold() else 0
            self.ready()
            if not done:
                self.rest(self._timer.every.total_seconds())
        with pymongo.timeout(_DATABASE_TIMEOUT):
            self._lease.release()
