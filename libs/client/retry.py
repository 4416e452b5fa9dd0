"""Retries: a policy that is data, and a budget that keeps a crowd of clients from piling on.

A call is sent again only for UNAVAILABLE and RESOURCE_EXHAUSTED, or when no answer comes in its share of the time. It
waits for a random part of a growing pause, or for the pause that the server asked for, never past the deadline, and is
sent only while the budget lasts: retries stay below a tenth of the calls.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from libs.client.errors import KehuError, RateLimited, Unavailable, Untrusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Policy of retries."""

    attempts: int = 10
    """Upper bound of attempts of one call. 1 never sends again."""
    first_pause: float = 0.1
    """Upper bound of the first pause, in seconds. Every further bound is `growth` times the one before."""
    growth: float = 1.6
    longest_pause: float = 3.0
    """Upper bound of any pause, in seconds."""
    share: float = 0.1
    """Retries earned by one call."""
    reserve: float = 10.0
    """Retries that a client may hold in store, and starts with."""

    def pause(self, attempt: int, error: KehuError | None = None) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) ended: the server's wish, else full jitter."""
        if error is not None and error.retry_after is not None:
            return error.retry_after.total_seconds() * random.uniform(1.0, 1.2)  # noqa: S311  (spreads load)
        bound = min(self.longest_pause, self.first_pause * self.growth ** (attempt - 1))
        return random.uniform(0.0, bound)  # noqa: S311  (spreads load)


class Budget:
    """The retries that one channel may still send. Thread safe."""

    def __init__(self, policy: Retry) -> None:
        self._policy = policy
        self._tokens = policy.reserve
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A new call is sent."""
        with self._lock:
            self._tokens = min(self._policy.reserve, self._tokens + self._policy.share)

    def spend(self) -> bool:
        """Returns whether one more retry may be sent, and counts it if so."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


def is_transient(error: KehuError) -> bool:
    """Returns whether the same call may succeed when it is sent again."""
    return isinstance(error, Unavailable | RateLimited) and not isinstance(error, Untrusted)
