"""Legal holds, which forbid to erase a customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """A reason to keep what is known of a customer. While it lasts, nothing is erased."""

    reason: str
    placed_by: str
    place_time: datetime
