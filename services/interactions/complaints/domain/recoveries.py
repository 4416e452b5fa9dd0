"""Deals that customers made after a complaint of theirs had ended, and what such recoveries brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WITHIN: Final = timedelta(days=365)
"""Time after the end of a complaint within which a deal is taken as one that came after it."""
DEALS_MAX: Final = 100
"""Deals that one complaint keeps, the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterDeal:
    """Deal that was won after a complaint of the same customer had ended."""

    deal_id: str
    won_time: datetime
    currency_code: str = ""
    minor_units: int = 0
    """What it brings once."""

    def follows(self, end: datetime | None) -> bool:
        """True for a deal that was won after an end, and not too long after."""
        return end is not None and end <= self.won_time <= end + WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Revenue:
    """Sum of deals in one currency."""

    currency_code: str
    minor_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTally:
    """Complaints that ended alike: how many of their customers bought again, and for how much."""

    confirmed: bool
    """True of those that the customer confirmed as made good. False of those that ended otherwise."""
    complaints: int
    with_deal: int
    revenue: tuple[Revenue, ...] = ()


def recoveries(ended: Iterable[tuple[bool, tuple[LaterDeal, ...]]]) -> tuple[RecoveryTally, ...]:
    """Tallies of (whether it was confirmed, deals after it), the confirmed ones first. A deal counts once."""
    complaints, bought = Counter[bool](), Counter[bool]()
    deals: dict[bool, dict[str, LaterDeal]] = {}
    for confirmed, later in ended:
        complaints[confirmed] += 1
        bought[confirmed] += bool(later)
        deals.setdefault(confirmed, {}).update({each.deal_id: each for each in later})
    return tuple(
        RecoveryTally(
            confirmed=confirmed,
            complaints=complaints[confirmed],
            with_deal=bought[confirmed],
            revenue=_sums(deals[confirmed].values()),
        )
        for confirmed in sorted(complaints, reverse=True)
    )


def _sums(deals: Iterable[LaterDeal]) -> tuple[Revenue, ...]:
    sums = Counter[str]()
    for each in deals:
        sums[each.currency_code] += each.minor_units
    return tuple(Revenue(currency_code=code, minor_units=units) for code, units in sorted(sums.items()) if code)
