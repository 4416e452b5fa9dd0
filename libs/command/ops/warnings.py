"""Events of the suite's objects: what the cluster complained of lately, said once with a count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.command.ops.status import moment

_POD = re.compile(r"-[0-9a-z]{4,10}-[0-9a-z]{5}$|-[0-9a-z]{5}$")
"""Suffix that a ReplicaSet or a Job adds to the name of a pod."""
_CHANGING = re.compile(r"\b\d+(\.\d+)*(:\d+)?\b|_\w+\([0-9a-f-]{36}\)|\"[^\"]*\"")


@dataclass(slots=True)
class Warned:
    """Events that say the same of the same object, or of the pods of one process."""

    kind: str
    name: str
    """The object it was said of last."""
    others: int
    """Number of further objects that it was said of."""
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
            "others": self.others,
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

    With `everything` also what went well. Events that differ in numbers and names of pods only are one.
    """
    starts = tuple(owners)
    found: dict[tuple[str, str, str, str], Warned] = {}
    about_whom: dict[tuple[str, str, str, str], set[str]] = {}
    for event in sorted(events, key=moment):
        about, at, serious = event.involved_object, moment(event), event.type != "Normal"
        if at < now - since or not (serious or everything):
            continue
        if not any(about.name == start or about.name.startswith(f"{start}-") for start in starts):
            continue
        message = (event.message or "").strip()
        count = max(event.count or 1, event.series.count if event.series else 1)
        said = _CHANGING.sub("#", message.replace(about.name, "#"))
        key = about.kind, _POD.sub("", about.name), event.reason or "", said
        names = about_whom.setdefault(key, set())
        names.add(about.name)
        earlier = found.get(key)
        found[key] = Warned(
            kind=about.kind,
            name=about.name,
            others=len(names) - 1,
            reason=event.reason or "",
            message=message,
            count=count + (earlier.count if earlier else 0),
            first=earlier.first if earlier else event.first_timestamp or at,
            last=at,
            serious=serious,
        )
    return sorted(found.values(), key=lambda one: one.last)
