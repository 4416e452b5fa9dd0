"""Places where a process can be told to die, so that the fault plan reaches every step between two promises.

`KEHU_CRASH_AT=relay.after_publish` ends the process there with status 9, as abruptly as a kill, and
`KEHU_CRASH_AT=store.after_write:2` when it comes there for the second time. Unset, which is always so in operation, a
point costs one comparison.
"""

from __future__ import annotations

import os
from typing import Final, Literal, get_args

Point = Literal[
    "relay.after_read",
    "relay.after_publish",
    "relay.before_clear",
    "relay.after_clear",
    "inbox.after_receive",
    "inbox.before_commit",
    "inbox.after_commit",
    "inbox.before_park",
    "inbox.after_park",
    "inbox.before_ack",
    "inbox.after_ack",
    "journal.before_head",
    "store.after_write",
    "store.before_commit",
    "store.after_commit",
    "calls.after_call",
]
"""Every place that can be named."""

POINTS: Final[tuple[str, ...]] = get_args(Point)
OF_WORKERS: Final = tuple(each for each in POINTS if each.startswith(("relay.", "inbox.", "journal.")))
"""Those that every worker comes to."""
_CHOSEN, _, _TIME = os.environ.get("KEHU_CRASH_AT", "").partition(":")

if _CHOSEN and _CHOSEN not in POINTS:
    raise ValueError(f"KEHU_CRASH_AT={_CHOSEN!r} is not one of {', '.join(POINTS)}")
_LEFT: Final = iter(range(int(_TIME or 1) - 1))


def crash_point(name: Point) -> None:
    """Ends the process here if it was told to."""
    if name == _CHOSEN and next(_LEFT, None) is None:
        os._exit(9)
