"""Events of customers, of whom no more is kept than who was merged and who is erased."""

from __future__ import annotations

from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.projection import CustomerEvents, Customers
from services.opportunities.customers.domain import CustomerProjection


def customer_events(store: Customers[CustomerProjection]) -> CustomerEvents[CustomerProjection]:
    """Events that keep the projection current."""
    return CustomerEvents(store, profiles, {})
