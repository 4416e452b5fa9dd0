"""Use-cases of privacy: what a caller is shown, who looked, and all that is held on one customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.domain import PermissionDenied
from libs.chassis.paging import Page, PageRequest
from services.profiles.activity.application.habits import Habits
from services.profiles.activity.application.transactions import Transactions
from services.profiles.customers.domain.customers import Customer
from services.profiles.customers.domain.holds import LegalHold
from services.profiles.identity.domain.matching import Feature
from services.profiles.privacy.domain.access import (
    Access,
    ReadClass,
    hidden_from,
    masked,
    masked_customer,
    masked_fields,
    masked_name,
)
from services.profiles.privacy.store import NOT_EXPORTED
from services.profiles.store import ProfilesStore

_F = Feature
CLASS_OF = {
    **dict.fromkeys((_F.PHONE, _F.MAILBOX, _F.MESSENGER), ReadClass.CONTACTS),
    **dict.fromkeys(
        (_F.FAMILY_NAME, _F.GIVEN_NAME, _F.CHINESE_FAMILY_NAME, _F.CHINESE_GIVEN_NAME, _F.TITLE), ReadClass.NAMES
    ),
    **dict.fromkeys((_F.STREET, _F.HOUSE_NUMBER, _F.ADDRESS_LINES, _F.POSTAL_CODE), ReadClass.ADDRESSES),
    _F.BIRTH: ReadClass.DATES,
}
"""What is compared → the class that it belongs to; the rest is shown to everybody."""


def shown(customer: Customer) -> Customer:
    """The customer as the caller may see it."""
    return masked_customer(customer, hidden_from(context.current().scopes))


def shown_name(name: str) -> str:
    """A name as the caller may see it."""
    return masked_name(name) if ReadClass.NAMES in hidden_from(context.current().scopes) else name


def shown_evidence(feature: Feature, value: str) -> str:
    """What was compared of two customers, as the caller may see it."""
    hidden = CLASS_OF.get(feature)
    if hidden is None or hidden not in hidden_from(context.current().scopes):
        return value
    return masked(value) if hidden is ReadClass.CONTACTS else masked_name(value)


def unmasked(current: Customer, draft: Customer) -> Customer:
    """A draft with the fields that its author was shown masked, and left alone.

    PermissionDenied when they were altered: nobody changes what they cannot see.
    """
    for hidden in hidden_from(context.current().scopes):
        for name, shown_value in masked_fields(current, hidden).items():
            kept, sent = getattr(current, name), getattr(draft, name)
            if sent in (kept, shown_value):
                draft = replace(draft, **{name: kept})
            else:
                what = name.replace("_", " ")
                raise PermissionDenied(f"{what} are masked for you: {hidden.scope} is needed", scope=hidden.scope)
    return draft


class Privacy:
    """Looks at masked values, legal holds and exports."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store
        self._habits, self._transactions = Habits(store), Transactions(store)

    def reveal(
        self, customer_id: str, purpose_of_use: str, read_classes: Sequence[ReadClass] = (ReadClass.CONTACTS,)
    ) -> tuple[Customer, Access]:
        """A customer with some classes of fields in full, the others as the caller may see them, and the record."""
        customer = self._store.customers.get(customer_id)
        access = Access(
            id=self._store.privacy.accesses.next_id(),
            customer_id=customer.id,
            reader=context.current().actor,
            purpose_of_use=purpose_of_use,
            read_classes=tuple(read_classes),
        )
        recorded = self._store.privacy.accesses.insert(access.recorded())
        hidden = hidden_from(context.current().scopes) - {*recorded.read_classes}
        return masked_customer(customer, hidden), recorded

    def list_accesses(self, customer_id: str, wanted: PageRequest) -> Page[Access]:
        """A page of looks, the latest first."""
        self._store.customers.get(customer_id)
        return self._store.privacy.list_accesses(customer_id, wanted)

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
