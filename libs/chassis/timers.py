"""Work that time causes: a service declares what is due and what to do about it.

One worker at a time looks for what is due. Two may still do so at once, so a timer's function decides by the state of
what it is given: the second one then changes nothing. One item never stops the others: what fails is tried again after
a growing pause (`libs.engine.timers`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic

from libs.chassis.domain import E
from libs.chassis.store import Due

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(hours=1)
_DOUBLINGS: Final = 20


class NotYet(Exception):
    """Nothing can be done about what is due before a time, and that is nobody's fault."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until


@dataclass(frozen=True, kw_only=True)
class Timer(Generic[E]):
    """Work of a service that time causes."""

    name: str
    every: timedelta
    """Pause between two looks when nothing is due."""
    due: Due[E]
    run: Callable[[Sequence[E]], object]
    """Called once per tenant, in its context, with what is due there. Leaves nothing of it due, or raises: `NotYet`
    when it has to wait, anything else when it failed."""


def pause_after(failures: int) -> timedelta:
    """The pause before the next attempt: doubled by every failure in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(failures - 1, _DOUBLINGS)))
