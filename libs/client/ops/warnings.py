"""Events of the suite's objects: what the cluster complained of lately, said once with a count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.client.ops.status import moment

_CHANGING = re.compile(r"\b\d+(\.\d+)*(:\d+)?\b|[0-9a-f]{8}-[0-9a-f-]{27}|\"[^\"]*\"")


@dataclass(slots=True)
class Warned:
    """Events that say the same of the same object."""

    kind: str
    name: str
    reason: str
    message: str
    """As it was said last."""
    count: int
    first: datetime
    last: datetime
    serious: bool

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "object": f"{self.kind}/{self.name}",
            "reason": self.reason,
            "message": self.message,
            "count": self.count,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "warning": self.serious,
        }


def gather(
    events: Iterable[Any], owners: Iterable[str], *, now: datetime, since: timedelta, everything: bool = False
) -> list[Warned]:
    """Warnings of the last `since` on what belongs to `owners` (Deployments by name), the latest last.

    With `everything` also what went well. Events that differ in numbers only are one.
    """
    starts = tuple(owners)
    found: dict[tuple[str, str, str, str], Warned] = {}
    for event in sorted(events, key=moment):
        about, at, serious = event.involved_object, moment(event), event.type != "Normal"
        if at < now - since or not (serious or everything):
            continue
        if not any(about.name == start or about.name.startswith(f"{start}-") for start in starts):
            continue
        message = (event.message or "").strip()
        count = max(event.count or 1, event.series.count if event.series else 1)
        key = about.kind, about.name, event.reason or "", _CHANGING.sub("#", message)
        if one := found.get(key):
            one.message, one.last, one.count = message, at, one.count + count
        else:
            found[key] = Warned(
                about.kind, about.name, event.reason or "", message, count, event.first_timestamp or at, at, serious
            )
    return sorted(found.values(), key=lambda one: one.last)
