"""Use-cases of privacy: what a caller is shown, who looked, and all that is held on one customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.domain import PermissionDenied
from libs.chassis.paging import Page
from services.profiles.application.habits import Habits
from services.profiles.application.transactions import Transactions
from services.profiles.domain.access import READ_CONTACTS, Access, masked, masked_customer, sees_contacts
from services.profiles.domain.contacts import ContactPoint
from services.profiles.domain.customers import Customer
from services.profiles.domain.holds import LegalHold
from services.profiles.store import ListRequest, ProfilesStore
from services.profiles.store.privacy import NOT_EXPORTED


def shown(customer: Customer) -> Customer:
    """The customer as the caller may see it."""
    return customer if sees_contacts(context.current().scopes) else masked_customer(customer)


def shown_value(contact_point: str) -> str:
    """A contact point as the caller may see it."""
    return contact_point if sees_contacts(context.current().scopes) else masked(contact_point)


def unmasked(current: Customer, draft: Customer) -> Customer:
    """A draft with the contact points that its author was shown masked, and left alone.

    PermissionDenied when they were altered: nobody changes what they cannot see.
    """
    if sees_contacts(context.current().scopes) or draft.contact_points == current.contact_points:
        return draft
    if draft.contact_points != masked_customer(current).contact_points:
        raise PermissionDenied(f"contact points are masked for you: {READ_CONTACTS} is needed", scope=READ_CONTACTS)
    return replace(draft, contact_points=current.contact_points)


class Privacy:
    """Looks at masked values, legal holds and exports."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store
        self._habits, self._transactions = Habits(store), Transactions(store)

    def reveal(self, customer_id: str, purpose_of_use: str) -> tuple[tuple[ContactPoint, ...], Access]:
        """The contact points of a customer in full, and the record of the look."""
        customer = self._store.customers.get(customer_id)
        access = Access(
            id=self._store.privacy.accesses.next_id(),
            customer_id=customer.id,
            reader=context.current().actor,
            purpose_of_use=purpose_of_use,
        )
        return customer.contact_points, self._store.privacy.accesses.insert(access.recorded())

    def list_accesses(self, customer_id: str, request: ListRequest) -> Page[Access]:
        """A page of looks, the latest first."""
        self._store.customers.get(customer_id)
        return self._store.privacy.list_accesses(customer_id, request)

    def hold(self, customer_id: str, reason: str, revision: int) -> Customer:
        """The customer under a legal hold."""
        hold = LegalHold(reason=reason, placed_by=context.current().actor, place_time=identity.now())
        return self._store.customers.update(customer_id, lambda each: each.held(hold), revision=revision)

    def release(self, customer_id: str, revision: int) -> Customer:
        """The customer without a legal hold."""
        return self._store.customers.update(customer_id, lambda each: each.released(), revision=revision)

    def group(self, customer_id: str) -> Sequence[str]:
        """All ids of whom an id leads to, who lives on first."""
        return self._store.customer(customer_id).group

    def everything(self, customer_id: str) -> Iterator[tuple[str, object]]:
        """(kind, record) of all that is held on a customer under any of its ids, without the past of the customer."""
        group = self.group(customer_id)
        for each in self._store.customers.batch_get(group):
            yield "customer", each
        for kind, holding in self._store.privacy.holdings.items():
            if holding.collection.name not in NOT_EXPORTED:
                yield from ((kind, each) for id in group for each in holding.on(id))
        yield "transaction_summary", self._transactions.summary(customer_id)
        yield "contact_habits", self._habits.get(customer_id)
