"""Customers whom a lead may be, and the wishes of a conversion turned into a customer and a deal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.chassis.domain import FailedPrecondition
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.terms import DealContact
from services.opportunities.leads.domain.conversions import Conversion
from services.opportunities.leads.domain.leads import Lead

SYSTEM: Final = "kehu-lead"
"""System of the external id by which the customer of a lead is found again."""
ROLE: Final = "contact"
"""Role of a lead in its deal when none is told."""


class CustomersAlike(FailedPrecondition):
    """Lead {lead_id} may be one of the customers {customer_ids}: choose one, or have another one made."""

    lead_id: str
    customer_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LikeCustomer:
    """A customer whom a lead may be."""

    customer_id: str
    score: float
    likely: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedConversions:
    """Conversions that were finished, and those that were refused."""

    finished: int = 0
    refused: int = 0


def customer_of(lead: Lead) -> Mapping[str, Any]:
    """The customer that a lead would be, as the profiles service takes it."""
    return {
        "kind": f"KIND_{lead.kind}",
        "display_name": lead.display_name,
        "contact_points": [
            {"type": f"TYPE_{each.type}", "raw": each.value, "region_code": each.region_code}
            for each in lead.contact_points
        ],
        "external_ids": [{"system": SYSTEM, "id": lead.id}],
    }


def deal_of(lead: Lead, conversion: Conversion) -> Deal:
    """The deal that a lead becomes. It is named by source and key when nobody named it: names of people are shown to
    fewer than names of deals."""
    customer_id = conversion.made_customer_id
    return Deal(
        id="",
        customer_id=customer_id,
        display_name=conversion.deal_name or f"{lead.source} {lead.source_key}"[:200],
        pipeline_id=conversion.pipeline_id,
        amount=conversion.amount,
        owner=lead.owner or conversion.actor,
        territory=lead.territory,
        channel=lead.source,
        contacts=(DealContact(contact_id=customer_id, role=conversion.role or ROLE),),
        needs=lead.needs,
    )


def request_id(tenant: str, lead: Lead, conversion: Conversion) -> str:
    """The idempotency key of making the customer: the same for whoever goes on with a conversion."""
    told = f"{tenant}\0{lead.id}\0{conversion.number}".encode()
    digest = hashlib.blake2b(told, digest_size=16, person=b"kehu-lead").hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
