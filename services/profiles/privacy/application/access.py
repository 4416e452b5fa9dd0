"""Use-cases of privacy: looks at masked values, legal holds, and all that is held on one customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.holds import LegalHold
from services.profiles.privacy.domain.access import Access, ReadClass
from services.profiles.privacy.store import NOT_EXPORTED, PrivacyStore


class Privacy:
    """Looks at masked values, legal holds and exports."""

    def __init__(self, store: PrivacyStore) -> None:
        self._store = store
        self._habits, self._transactions = Habits(store.activity), Transactions(store.activity)

    def reveal(
        self, customer_id: str, purpose_of_use: str, read_classes: Sequence[ReadClass] = (ReadClass.CONTACTS,)
    ) -> tuple[Customer, Access]:
        """A customer, and the record of the look at some classes of its fields."""
        customer = self._store.customers.customers.get(customer_id)
        look = Access(
            id="",
            customer_id=customer.id,
            reader=context.current().actor,
            purpose_of_use=purpose_of_use,
            read_classes=tuple(read_classes),
        )
        return customer, self._store.accesses.insert(lambda id: replace(look, id=id).record())

    def list_accesses(self, customer_id: str, wanted: PageRequest) -> Page[Access]:
        """A page of looks, the latest first."""
        self._store.customers.customers.get(customer_id)
        return self._store.list_accesses(customer_id, wanted)

    def hold(self, customer_id: str, reason: str, revision: int) -> Customer:
        """The customer under a legal hold."""
        hold = LegalHold(reason=reason, placed_by=context.current().actor, place_time=identity.now())
        return self._store.customers.customers.update(customer_id, lambda each: each.hold(hold), revision=revision)

    def release(self, customer_id: str, revision: int) -> Customer:
        """The customer without a legal hold."""
        return self._store.customers.customers.update(customer_id, lambda each: each.release(), revision=revision)

    def group(self, customer_id: str) -> Sequence[str]:
        """All ids of whom an id leads to, who lives on first."""
        return self._store.customers.resolve(customer_id).group

    def everything(self, customer_id: str) -> Iterator[tuple[str, object]]:
        """(kind, record) of all that is held on a customer under any of its ids, without the past of the customer."""
        group = self.group(customer_id)
        for each in self._store.customers.customers.batch_get(group):
            yield "customer", each
        for kind, holding in self._store.holdings.items():
            if holding.collection.name not in NOT_EXPORTED:
                yield from ((kind, each) for id in group for each in holding.on(id))
        yield "transaction_summary", self._transactions.summary(customer_id)
        yield "contact_habits", self._habits.get(customer_id)
