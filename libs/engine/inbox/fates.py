"""Fates of an event that could not be handled: held, tried again later, or parked.

    Transient    a store or a peer is down: the whole batch waits, nothing is counted against the event
    Retryable    may work later: the delay queues, in steps from 5 s to 1 h, until the event is 24 h old
    Permanent    will never work: parked at once

An exception of any other type counts as retryable, because most defects are mended within a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from libs.chassis.domain import Conflict, DomainError
from libs.chassis.inbox import Permanent, Retryable, Transient
from libs.chassis.store import Contention, RelayBehind
from libs.engine.bus import TIERS
from libs.engine.outage import is_outage

ATTEMPTS_PER_TIER: Final = 2
GIVE_UP_AFTER: Final = timedelta(hours=24)
_LONGEST_REASON: Final = 500
"""Characters of an error text that travel with the message, because headers must fit one frame."""


Fate = Literal["hold", "retry", "park"]


def fate_of(error: Exception) -> Fate:
    """The fate of an event whose handler raised an error."""
    match error:
        case Transient() | Contention() | RelayBehind():
            return "hold"
        case Conflict() | Retryable():
            return "retry"
        case Permanent() | DomainError():
            return "park"
        case _:
            return "hold" if is_outage(error) else "retry"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The history of an event that failed, as it travels in the headers of its message."""

    attempts: int
    """Failures so far, this one included."""
    first_at: datetime
    first_error: str
    last_error: str
    origin_queue: str
    """The work queue that the message came from and returns to."""

    @classmethod
    def of(cls, headers: Mapping[str, Any], error: Exception, queue: str, now: datetime) -> Trouble:
        """The history after one more failure."""
        text = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        try:
            return cls(
                attempts=int(headers["x-attempt"]) + 1,
                first_at=datetime.fromisoformat(headers["x-first-at"]),
                first_error=str(headers["x-first-error"]),
                last_error=text,
                origin_queue=queue,
            )
        except (KeyError, ValueError, TypeError):  # never failed before, or the headers are not ours
            return cls(attempts=1, first_at=now, first_error=text, last_error=text, origin_queue=queue)

    def headers(self) -> dict[str, Any]:
        """The history as headers, for the next consumer to read."""
        return {
            "x-attempt": self.attempts,
            "x-first-at": self.first_at.isoformat(),
            "x-first-error": self.first_error,
            "x-last-error": self.last_error,
            "x-origin-queue": self.origin_queue,
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    """Pauses of a retryable event: two attempts per tier, then the last tier for ever, until it is too old."""

    tiers: Sequence[timedelta] = TIERS
    give_up_after: timedelta = GIVE_UP_AFTER

    def delay(self, trouble: Trouble, now: datetime) -> timedelta | None:
        """The delay before the next attempt, or None when the event is to be parked."""
        if now - trouble.first_at >= self.give_up_after:
            return None
        return self.tiers[min((trouble.attempts - 1) // ATTEMPTS_PER_TIER, len(self.tiers) - 1)]


STANDARD: Final = Schedule()
