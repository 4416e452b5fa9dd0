"""Use-cases of contact habits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from libs.chassis.domain import Change
from services.profiles.activity.domain.habits import Contact, ContactHabits, ContactRecord
from services.profiles.store import ProfilesStore


class Habits:
    """When and how customers are in contact with us."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store

    def get(self, customer_id: str) -> ContactHabits:
        """The habits of a customer, with hours in the customer's time zone."""
        customer = self._store.customer(customer_id)
        records = self._store.contact_records(customer.group)
        return ContactRecord.of(customer.id, records).habits(customer.preferences.time_zone)

    def learn(self, contacts: Iterable[tuple[str, Contact]]) -> None:
        """Take in contacts, each with the id of its customer; late, repeated and out of order as they may come."""
        theirs: dict[str, list[Contact]] = {}
        for customer_id, contact in contacts:
            theirs.setdefault(customer_id, []).append(contact)
        self._store.contacts.fold([(id, _adding(id, each)) for id, each in theirs.items()])


def _adding(customer_id: str, contacts: Sequence[Contact]) -> Callable[[ContactRecord | None], Change[ContactRecord]]:
    def add(record: ContactRecord | None) -> Change[ContactRecord]:
        return (record or ContactRecord(id=customer_id)).plus(contacts), []

    return add
