"""The service `ledger` once more, as one that holds something on customers: what that takes."""

from __future__ import annotations

from dataclasses import dataclass

from kehu.profiles.v1 import events_pb2 as profiles

from libs.chassis.customers import CustomerProjection
from libs.chassis.domain import Sealed
from libs.chassis.erasure import Erasures, Holding
from libs.chassis.projection import CustomerEvents, Customers
from libs.chassis.service import Service
from libs.chassis.store import Database, Index
from tests.support.ledger import Account

# The projection of customers:


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder(CustomerProjection):
    """Somebody who may have accounts."""

    display_name: Sealed[str] = ""
    time_zone: Sealed[str] = ""


FIELDS = {"display_name": "display_name", "time_zone": "preferences.time_zone"}


class CustomersLedger:
    """Accounts and their holders."""

    def __init__(self, database: Database) -> None:
        self.accounts = database.collection(Account, "accounts", indexes=[Index(("customer_id", "-create_time"))])
        self.customers = Customers(database, Holder)
        # Their erasure:
        self.erasures = Erasures(
            database,
            self.customers,
            [Holding(collection=self.accounts, erased=Account.empty, kept="books outlive who they were for")],
        )


SERVICE = Service(
    name="ledger",
    store=CustomersLedger,
    servicers=lambda _: [],
    subscriptions=lambda store: [CustomerEvents(store.customers, profiles, FIELDS).subscription(store.erasures.begin)],
    timers=lambda store: [store.erasures.timer()],
)
