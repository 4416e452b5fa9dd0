"""Counters of interactions, by date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from libs.chassis.filtering import all_of, field
from libs.chassis.store import Database, Index
from services.interactions.counts.domain import LONGEST_RANGE, ChannelDay
from services.interactions.customers.domain import Channel

COUNTS = (Index(("day",)),)


class CountsStore:
    """The counters of channels and dates."""

    def __init__(self, database: Database) -> None:
        self.days = database.collection(ChannelDay, "counts", indexes=COUNTS, publishes=False)

    def between(self, first: date, last: date) -> Sequence[ChannelDay]:
        """The counters of the channels from one date to another. At most of 368 dates."""
        days = all_of(field("day") >= first, field("day") <= last)
        return self.days.find(days, limit=(LONGEST_RANGE.days + 2) * len(Channel))
