"""Customers, of whom no more is kept than what decides about asking them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from libs.chassis import customers

ANY_CHANNEL = "ANY"
"""Key of a decision that is about every channel."""
GRANTED = "GRANTED"
REFUSALS = ("DENIED", "WITHDRAWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProjection(customers.CustomerProjection):
    """A customer as far as this service has heard of it."""

    consents: Mapping[str, str] = field(default_factory=dict)
    """Channel, or `ANY` → decision in force about being asked."""
    employee: bool = False
    adult_date: date | None = None
    """Day of the 18th birthday, when the year of birth is known."""

    def agrees(self, channel: str, *, required: bool) -> bool:
        """True when it may be asked on a channel. The decision about the channel goes before that about every one."""
        decision = self.consents.get(channel, self.consents.get(ANY_CHANNEL, ""))
        return decision == GRANTED or (not required and decision not in REFUSALS)
