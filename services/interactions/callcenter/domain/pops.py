"""Screen pops: all that whoever answers has to know at once."""

from __future__ import annotations

from dataclasses import dataclass

from services.interactions.cases.domain.cases import Case
from services.interactions.customers.domain import CustomerProjection
from services.interactions.promises.domain import Promise
from services.interactions.routing.domain.work import WorkItem
from services.interactions.timeline.domain import Interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenPop:
    """All about a caller."""

    matches: int
    customer: CustomerProjection | None = None
    tier: str = ""
    work: tuple[WorkItem, ...] = ()
    promises: tuple[Promise, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    cases: tuple[Case, ...] = ()
