"""Everything that is held on a customer, and its erasure."""

from __future__ import annotations

from libs.chassis.erasure import Erasures, Holding
from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.store import DealsStore


class PrivacyStore:
    """The holdings of the service."""

    def __init__(self, database: Database, customers: Customers[CustomerProjection], deals: DealsStore) -> None:
        held = Holding(
            collection=deals.deals,
            erased=Deal.erase,
            kept="amounts, stages and dates without words",
            order="-open_time",
            record="deal",
        )
        self.erasures = Erasures(database, customers, [held])
