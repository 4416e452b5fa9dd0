"""Requests for erasures, and what leads from a customer to leads that never became one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kehu.profiles.v1 import contact_points_pb2 as contact
from kehu.profiles.v1 import customer_pb2

from libs.chassis.enums import enum_word
from libs.chassis.inbox import Received
from services.opportunities.leads.domain.parts import LeadPointType, point_key
from services.opportunities.privacy.store import PrivacyStore


def begin_erasures(store: PrivacyStore, events: Sequence[Received]) -> None:
    """Takes requests for erasures in, with the ways to reach whom they are about."""
    store.erasures.begin(events, _reach)


def _reach(customer: customer_pb2.Customer) -> Iterable[str]:
    kinds = set(map(str, LeadPointType))
    named = (
        (enum_word(contact.ContactPoint.Type.DESCRIPTOR, each.type), each.canonical) for each in customer.contact_points
    )
    return dict.fromkeys(point_key(kind, canonical) for kind, canonical in named if kind in kinds and canonical)
