"""Revisions of entities, which rise for ever, also when a database comes back from a backup.

A restored database would give revisions and event ids a second time, and whoever heard of the first ones would take the
new events for repeats. So a restore begins an epoch, the upper bits of every revision that is given from then on: ids
of events differ, and a guard that skips what is not newer needs to know of nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH_BITS: Final = 32
"""Bits of a revision below its epoch."""
_FIRST_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
_EPOCH_UNIT: Final = timedelta(minutes=10)
"""Two restores within one unit still differ, unless the second backup is older than the first restore. Forty years of
units keep revisions below 2^53, which every client can represent."""


class Revisions:
    """Gives the revisions of one database."""

    def __init__(self) -> None:
        self.epoch = 0

    def after(self, revision: int) -> int:
        """The revision that follows. The first one follows 0."""
        return max(revision, self.epoch << EPOCH_BITS) + 1


def next_epoch(before: int, now: datetime) -> int:
    """An epoch above any that this database, or a later state of it that is lost, ever had."""
    return max(before + 1, (now - _FIRST_EPOCH) // _EPOCH_UNIT)
