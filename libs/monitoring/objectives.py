"""Promises to callers, and the recorded figures that the promise is judged by.

Alerts look at two windows at once: the long one says that it matters, the short one that it still goes on. A burn of 1
uses up the allowance of thirty days in exactly thirty days.
"""

from __future__ import annotations

from typing import Final

from libs.monitoring import queries as q
from libs.monitoring.model import Recording

AVAILABILITY: Final = 0.999
"""The share of unary calls that we must not fail. Streams do not count: every rollout ends them with UNAVAILABLE."""
ALLOWANCE: Final = round(1 - AVAILABILITY, 6)
SLOW: Final = 0.5
"""Seconds within which a unary call should be answered."""
SLOW_SHARE: Final = 0.05
"""The share of unary calls that may take longer."""

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d")


def failed(window: str) -> str:
    """The name of the recorded share of failed calls of a service."""
    return f"kehu:calls_failed:ratio_{window}"


def burns(factor: float, long: str, short: str) -> str:
    """Expression for an allowance used up `factor` times too fast over both windows. Its value is the share failed."""
    threshold = f"{factor * ALLOWANCE:g}"
    return f"{failed(long)} > {threshold} and {failed(short)} > {threshold}"


RECORDINGS: Final = [
    Recording(
        name=failed(window),
        expr=q.share(
            q.rate("grpc_server_handled_total", window, q.SERVICE, grpc_type="UNARY", grpc_code=q.FAULTS),
            q.rate("grpc_server_handled_total", window, q.SERVICE, grpc_type="UNARY"),
        ),
    )
    for window in WINDOWS
]
