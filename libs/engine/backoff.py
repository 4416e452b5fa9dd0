"""Attempts behind a destination that refuses: few and seldom, and more with every success."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

FIRST_PAUSE: Final = 0.5
"""Seconds between two tries of a destination that took a part of the last one, or refused for the first time."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries of a destination that goes on refusing."""


@dataclass(slots=True)
class Backoff:
    """A destination that refused.

    Whoever else listens gets everything that is tried once more, so the number of tries is what matters: one while
    nothing passes, twice as many after each time that all of them passed.
    """

    most: int
    """Tries at a time when all is well again."""
    size: int = 1
    """Tries at the next time."""
    refuses: bool = True
    """True when something was refused the last time."""
    _pause: float = FIRST_PAUSE
    _next: float = field(default_factory=lambda: time.monotonic() + FIRST_PAUSE)

    @property
    def due(self) -> bool:
        """True when it is time to try again."""
        return time.monotonic() >= self._next

    def tried(self, tries: int, refused: int) -> None:
        """Learns from one time."""
        self.refuses = refused > 0
        if not refused:
            self.size, self._pause = min(2 * self.size, self.most), FIRST_PAUSE
            self._next = time.monotonic()
            return
        self.size = max(1, self.size // 2) if refused < tries else 1
        self._pause = FIRST_PAUSE if refused < tries else min(2 * self._pause, LONGEST_PAUSE)
        self._next = time.monotonic() + self._pause
