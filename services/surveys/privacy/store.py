"""Everything that is held on a customer, and its erasure."""

from __future__ import annotations

from libs.chassis.erasure import Erasures
from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.surveys.customers.domain import CustomerProjection


class PrivacyStore:
    """The holdings of the service."""

    def __init__(self, database: Database, customers: Customers[CustomerProjection]) -> None:
        self.erasures = Erasures(database, customers, [])
