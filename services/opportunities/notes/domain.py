"""Working notes, which their author alone reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingNote(Entity):
    """Words that somebody keeps for themselves on a deal. No event tells of it."""

    ID_PREFIX: ClassVar[str] = "wno"

    deal_id: str
    customer_id: str
    author: str
    text: str = ""
    erased: bool = False

    def rewrite(self, text: str) -> Change[WorkingNote]:
        """With other words."""
        return replace(self, text=text), []

    def erase(self) -> Change[WorkingNote]:
        """Without words."""
        return replace(self, text="", erased=True), []
