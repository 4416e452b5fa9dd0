"""One look of a timer, as the worker takes it while it holds the lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.chassis.store import Database
from libs.chassis.timers import Timer
from libs.engine.timers import Round


def tick(database: Database, timers: Sequence[Timer[Any]], name: str) -> int:
    """Works on what is due for the timer of this name. How many entities are no longer."""
    [timer] = [each for each in timers if each.name == name]
    return Round(database, timer).run()
