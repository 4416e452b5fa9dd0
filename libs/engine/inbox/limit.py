"""A limit to parking: a release that can handle nothing stops its subscription, and does not park a day of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PARKED_IN_A_ROW: Final = 100
"""Events that a subscription parks one after the other, before it stops and lets the rest wait in their queue."""
UNREADABLE: Final = ""
"""Tenant of a message that cannot be decoded: it may be anybody's."""


class ParkingLimit:
    """Counts the events that were parked since one was handled.

    It stops nothing while only one of several tenants is concerned: then the events are at fault, not the release.
    """

    def __init__(self, most: int = PARKED_IN_A_ROW) -> None:
        self._most = most
        self._parked = 0
        self._failing: set[str] = set()
        self._seen: set[str] = set()

    def forbids(self, handled: Sequence[str], parked: Sequence[str]) -> bool:
        """Tells whether these events may not be parked, given the tenants of those that were handled and that were not.

        Those that may be parked are counted.
        """
        self._seen |= {*handled, *parked}
        if handled:
            self._parked, self._failing = 0, set()
        failing = self._failing | set(parked)
        everybody = len(failing) > 1 or UNREADABLE in failing or len(self._seen) <= 1
        if parked and not handled and everybody and self._parked + len(parked) > self._most:
            return True
        self._parked, self._failing = self._parked + len(parked), failing
        return False
