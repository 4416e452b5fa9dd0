"""Filters that somebody uses again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity
from services.opportunities.leads.domain.parts import LeadOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFilter(Entity):
    """A filter under a name."""

    ID_PREFIX: ClassVar[str] = "lflt"

    display_name: str = ""
    filter: str = ""
    order: LeadOrder | None = None

    def save(self, other: LeadFilter) -> Change[LeadFilter]:
        """With the content of another one."""
        return replace(self, display_name=other.display_name, filter=other.filter, order=other.order), []
