"""Deals of customers, of which no more is kept than that one stands in a late stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity

LATE: Final = frozenset({"BEST_CASE", "COMMIT"})
"""Forecast categories of the stages that opportunities counts on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiation(Entity):
    """A deal as opportunities last told of it. Older states are skipped."""

    ID_PREFIX: ClassVar[str] = "deal"

    customer_id: str
    source_revision: int = 0
    late: bool = False
    """True while it is open in a stage that a forecast counts on."""

    def take(self, told: Negotiation) -> Change[Negotiation]:
        """The newer of this state and the one that was told."""
        return (self if self.source_revision >= told.source_revision else told), []
