"""Use-cases of contact habits."""

from __future__ import annotations

from collections.abc import Iterable

from services.profiles.activity.domain.habits import Contact, ContactHabits, ContactRecord
from services.profiles.activity.store import ActivityStore


class Habits:
    """Habits of customers in their interactions with us."""

    def __init__(self, store: ActivityStore) -> None:
        self._store = store

    def get(self, customer_id: str) -> ContactHabits:
        """The habits of a customer, with hours in the customer's time zone."""
        customer = self._store.customers.resolve(customer_id)
        records = self._store.contact_records(customer.group)
        return ContactRecord.of(customer.id, records).habits(customer.preferences.time_zone)

    def learn(self, contacts: Iterable[tuple[str, Contact]]) -> None:
        """Take in interactions, each with the id of its customer. Late, repeated and out of order as they may come."""
        theirs: dict[str, list[Contact]] = {}
        for customer_id, contact in contacts:
            theirs.setdefault(customer_id, []).append(contact)
        records = ((ContactRecord(id=id), each) for id, each in theirs.items())
        self._store.contacts.upsert_many(records, lambda record, more: (record.plus(more), []))
