"""Another attempt after rivals were faster."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

FIRST_PAUSE = 0.002
"""Upper bound in seconds of the pause before the second attempt, where nothing else is said."""
LONGEST_DOUBLING = 6


def attempts(most: int, first_pause: float = FIRST_PAUSE) -> Iterator[int]:
    """Yields the numbers of attempts from 1 to `most`, and sleeps between two of them.

    Pauses double from `first_pause` seconds at most, with full jitter, so that rivals do not meet again.
    """
    for attempt in range(1, most + 1):
        yield attempt
        if attempt < most:
            time.sleep(random.uniform(0, first_pause * 2 ** min(attempt - 1, LONGEST_DOUBLING)))  # noqa: S311
