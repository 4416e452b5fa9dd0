"""Conversions of leads: what is wanted, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from libs.chassis.domain import FailedPrecondition, OpenEnum
from services.opportunities.deals.domain.terms import Money


class ConversionBegun(FailedPrecondition):
    """The conversion of lead {lead_id} was begun by {actor} with other {differing}: repeat it as it was, or undo it."""

    lead_id: str
    actor: str
    differing: str


class ConversionStep(OpenEnum):
    """Step that a conversion has come to."""

    BEGUN = "BEGUN"
    CUSTOMER = "CUSTOMER"
    DONE = "DONE"
    UNDONE = "UNDONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The conversion of a lead."""

    pipeline_id: str
    deal_name: str = ""
    amount: Money | None = None
    role: str = ""
    customer_id: str = ""
    create_anyway: bool = False
    number: int = 0
    step: ConversionStep = ConversionStep.BEGUN
    actor: str = ""
    begin_time: datetime | None = None
    made_customer_id: str = ""
    deal_id: str = ""

    def begun(self, actor: str, at: datetime) -> Conversion:
        """The same wishes at their beginning, whatever else was told of them."""
        return Conversion(**{name: getattr(self, name) for name in _WISHES}, actor=actor, begin_time=at)

    def require_same(self, lead_id: str, wanted: Conversion) -> None:
        """Refuses another wish while this one is at work or done."""
        differing = [name for name in _WISHES if getattr(self, name) != getattr(wanted, name)]
        if differing:
            raise ConversionBegun(lead_id=lead_id, actor=self.actor, differing=", ".join(differing))

    def with_customer(self, customer_id: str) -> Conversion:
        """With the customer that the lead turned out to be."""
        return replace(self, step=ConversionStep.CUSTOMER, made_customer_id=customer_id)


_WISHES: Final = ("pipeline_id", "deal_name", "amount", "role", "customer_id", "create_anyway")
"""The wishes of a conversion, which a repeat has to share."""
