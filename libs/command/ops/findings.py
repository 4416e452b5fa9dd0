"""Findings of the commands of `kehu ops`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    what: str
    """The process, queue or object."""
    state: str
    """The finding, in a few words."""
    advice: str
    """The next step."""

    def as_json(self) -> dict[str, str]:
        """For programs."""
        return {"what": self.what, "state": self.state, "advice": self.advice}


def span(seconds: float | None, *, at_least: bool = False) -> str:
    """A length of time for a narrow column, `3m` or `2d 4h`. A dash for none."""
    if seconds is None:
        return "–"
    units = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
    left, parts = max(0, round(seconds)), list[str]()
    for name, size in units:
        count, left = divmod(left, size)
        if count or parts or name == "s":
            parts.append(f"{count}{name}")
    shown = " ".join(part for part in parts[:2] if not part.startswith("0") or len(parts) == 1)
    return f">{shown}" if at_least else shown


def some(names: Sequence[str], limit: int = 3) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
