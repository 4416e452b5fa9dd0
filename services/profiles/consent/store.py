"""Consent receipts, by customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libs.chassis import identity
from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Due, Index
from services.profiles.consent.domain.pulses import PULSE_EVERY, ConsentPulse
from services.profiles.customers.domain.consents import ConsentReceipt
from services.profiles.customers.store import CustomersStore

PULSES = (Index(("next_time",), every_tenant=True),)
RECEIPTS = (Index(("customer_id", "-sequence")),)
_BATCH: Final = 500


class ConsentStore:
    """Receipts, and the customers who hold the ends of their chains."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.pulses = database.collection(ConsentPulse, "consent_pulses", indexes=PULSES)
        self.receipts = database.collection(ConsentReceipt, "receipts", indexes=RECEIPTS, publishes=False)

    def list_receipts(self, customer_id: str, wanted: PageRequest) -> Page[ConsentReceipt]:
        """The receipts of a customer, the newest first."""
        return self.receipts.page(field("customer_id") == customer_id, wanted, order="-sequence")

    def chain(self, customer_id: str) -> Iterator[ConsentReceipt]:
        """Every receipt of a customer, the oldest first."""
        last = 0
        while batch := self.receipts.find(
            all_of(field("customer_id") == customer_id, field("sequence") > last), order="sequence", limit=_BATCH
        ):
            yield from batch
            last = batch[-1].sequence

    def pulse(self) -> ConsentPulse:
        """The pulse of the tenant, perhaps one that is still to begin."""
        id = self.pulses.id_of("consent")
        return self.pulses.find_by_id(id) or ConsentPulse(id=id, next_time=identity.now() + PULSE_EVERY)

    def to_beat(self) -> Due[ConsentPulse]:
        """Pulses whose time has come."""
        return Due(self.pulses, lambda now: field("next_time") <= now, order="next_time", limit=200)
