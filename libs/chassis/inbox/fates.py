"""What becomes of an event that could not be handled: held, tried again later, or parked.

    Transient    a store or a peer is down: the whole batch waits, nothing is counted against the event
    Retryable    may work later: the delay queues, in steps from 5 s to 1 h, until the event is 24 h old
    Permanent    will never work: parked at once

An exception of any other type counts as retryable, because most defects are mended within a day.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from amqp import AMQPError
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WTimeoutError,
)

from libs.chassis.bus import TIERS
from libs.chassis.domain import Conflict, DomainError
from libs.chassis.store import Contention, RelayBehind
from libs.chassis.store.rotation import refuses_us

ATTEMPTS_PER_TIER: Final = 2
GIVE_UP_AFTER: Final = timedelta(hours=24)
_LONGEST_REASON: Final = 500
"""Characters of an error text that travel with the message; headers must fit one frame."""


class Transient(Exception):
    """Something this service depends on is down; the batch is held and tried again."""


class Retryable(Exception):
    """May work later; the event takes the delay queues."""


class Permanent(Exception):
    """Will never work; the event is parked for a person to decide."""


Fate = Literal["hold", "retry", "park"]


def fate_of(error: Exception) -> Fate:
    """What the error of a handler means for the event."""
    match error:
        case Transient() | Contention() | RelayBehind() | AMQPError():
            return "hold"
        # Only what tells of a peer: a missing file, say, may be the affair of one event.
        case ConnectionError() | TimeoutError() | ssl.SSLError() | socket.gaierror():
            return "hold"
        case PyMongoError():
            return "hold" if _passes(error) else "retry"
        case Conflict() | Retryable():
            return "retry"
        case Permanent() | DomainError():
            return "park"
        case _:
            return "retry"


def _passes(error: PyMongoError) -> bool:
    """Whether the database will be able to do this once it is well; a wrong statement never passes."""
    return (
        isinstance(error, ConnectionFailure | AutoReconnect | ExecutionTimeout | WTimeoutError)
        or error.timeout
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("UnknownTransactionCommitResult")
        or error.has_error_label("RetryableWriteError")
        or refuses_us(error)
    )


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
        """What the next consumer reads back."""
        return {
            "x-attempt": self.attempts,
            "x-first-at": self.first_at.isoformat(),
            "x-first-error": self.first_error,
            "x-last-error": self.last_error,
            "x-origin-queue": self.origin_queue,
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a retryable event waits: two attempts per tier, then the last tier for ever, until it is too old."""

    tiers: Sequence[timedelta] = TIERS
    give_up_after: timedelta = GIVE_UP_AFTER

    def delay(self, trouble: Trouble, now: datetime) -> timedelta | None:
        """The delay before the next attempt, or None when the event is to be parked."""
        if now - trouble.first_at >= self.give_up_after:
            return None
        return self.tiers[min((trouble.attempts - 1) // ATTEMPTS_PER_TIER, len(self.tiers) - 1)]


STANDARD: Final = Schedule()
