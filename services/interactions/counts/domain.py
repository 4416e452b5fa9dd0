"""Counters of interactions, by channel and quarter of an hour: exact, and cheap to read over any range."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, InvalidArgument, Open
from services.interactions.customers.domain import Channel

QUARTER = timedelta(minutes=15)
"""The resolution: every offset of a time zone in use is a multiple of it."""
LONGEST_RANGE = timedelta(days=366)
_QUARTERS_OF_A_DAY = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRange:
    """Span in which interactions are counted, its start included and its end not. InvalidArgument when inexact."""

    start_time: datetime
    end_time: datetime

    def __post_init__(self) -> None:
        for name, at in (("start_time", self.start_time), ("end_time", self.end_time)):
            if at.minute % 15 or at.second or at.microsecond:
                raise InvalidArgument.field(
                    name, "must lie on a quarter of an hour: minute 0, 15, 30 or 45, no seconds"
                )
        if not timedelta(0) < self.end_time - self.start_time <= LONGEST_RANGE:
            raise InvalidArgument.field("end_time", f"must be after start_time, by at most {LONGEST_RANGE.days} days")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelCount:
    """Number of interactions of one channel."""

    channel: Channel
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDay(Entity):
    """The interactions of one channel that occurred on one UTC date."""

    ID_PREFIX: ClassVar[str] = "chd"

    channel: Channel
    day: Open[date]
    """The day of all interactions of the channel."""
    quarters: tuple[int, ...] = (0,) * _QUARTERS_OF_A_DAY
    """Number that occurred in each quarter of an hour."""

    def count(self, occurred: datetime) -> Change[ChannelDay]:
        """With one more."""
        at = _quarter(occurred)
        return replace(self, quarters=(*self.quarters[:at], self.quarters[at] + 1, *self.quarters[at + 1 :])), []

    def within(self, range: CountRange) -> int:
        """Number that occurred in a range."""
        midnight = datetime.combine(self.day, time(), UTC)
        first, last = ((at - midnight) // QUARTER for at in (range.start_time, range.end_time))
        return sum(self.quarters[max(first, 0) : max(last, 0)])


def _quarter(at: datetime) -> int:
    return at.hour * 4 + at.minute // 15
