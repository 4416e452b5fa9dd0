"""The proof that a customer may still be written to, for use-cases that store something about one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from libs.chassis.domain import DomainError, E
from libs.chassis.store import Collection as Stored
from services.profiles.customers.store import CustomersStore

R = TypeVar("R")


def while_living(
    customers: CustomersStore, ids: Collection[str], store: Callable[[], R], withdraw: Callable[[R], object]
) -> R:
    """The result of `store`, unless one of the customers was merged or is erased.

    An erasure that begins in between has perhaps looked before there was anything, so it is withdrawn. An erasure marks
    the customer first and looks afterwards: one of the two sees what the other did.
    """
    _refuse_gone(customers, ids)
    stored = store()
    try:
        _refuse_erased(customers, ids)
    except DomainError:
        withdraw(stored)
        raise
    return stored


def shredding(collection: Stored[E]) -> Callable[[E], object]:
    """The withdrawal of an entity that stays, without anything that can be read of the person."""
    return lambda stored: collection.erase([stored.id])


def _refuse_gone(customers: CustomersStore, ids: Collection[str]) -> None:
    for id in ids:
        customers.writable(id).require_not_erased()


def _refuse_erased(customers: CustomersStore, ids: Collection[str]) -> None:
    for each in customers.customers.batch_get(list(ids)):
        each.require_not_erased()
