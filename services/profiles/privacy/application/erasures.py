"""Use-cases of erasure: the request, the answers of the services, and the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from libs.chassis import context, identity
from libs.chassis.domain import Change, Entity, NotFound
from services.profiles.activity.domain.facts import PersonalFact
from services.profiles.customers.domain.customers import Customer
from services.profiles.privacy.domain.erasures import (
    WITHIN,
    CustomerErased,
    CustomerErasureRequested,
    Erasure,
    ErasureReceipt,
    ErasureState,
    Records,
)
from services.profiles.privacy.store import PrivacyStore

PURGED: Final = "kept as long as deleted customers are"
"""Reason of an erasure that nobody asked for."""
_NAMES: Final = {"receipts": "consent receipts"}
"""Kinds in a receipt that are not called like their collection."""


class Erasures:
    """The way of a customer out of all services."""

    def __init__(self, store: PrivacyStore) -> None:
        self._store = store
        self._erasures = store.erasures

    def request(self, customer_id: str, reason: str, *, validate_only: bool) -> Erasure:
        """The erasure of a customer, just begun. The one that was requested before when there is one.

        Those who were merged into the customer are erased with it, each by an erasure of its own.
        """
        at = identity.now()
        draft = Erasure(id="", customer_id="", reason=reason, requester=context.current().actor, due_time=at + WITHIN)
        return self._store.database.transact(lambda: self._begin(customer_id, draft, at, validate_only=validate_only))

    def purge(self, deleted: Sequence[Customer]) -> None:
        """Has customers erased whose time after the deletion is over: as if somebody had asked for it."""
        for customer in deleted:
            self.request(customer.id, PURGED, validate_only=False)

    def status(self, *, erasure_id: str = "", customer_id: str = "") -> Erasure:
        """Progress of an erasure, by its own id or that of the customer."""
        if erasure_id:
            return self._erasures.get(erasure_id)
        customer = self._store.customers.customers.get(customer_id)
        if not customer.erasure_id:
            raise NotFound(Erasure, customer_id)
        return self._erasures.get(customer.erasure_id)

    def take_answers(self, answers: Sequence[tuple[str, ErasureReceipt]]) -> None:
        """Keeps the receipts of other services, each given with the id of its erasure."""
        self._erasures.update_many(answers, Erasure.take_receipt)

    def finish(self, ready: Sequence[Erasure]) -> None:
        """Finishes erasures that everybody else has answered.

        Every step may be repeated: keys are destroyed before anything else, and a destroyed one stays so.
        """
        for erasure in ready:
            self._finish(erasure)

    # --------------------------------------------------------------------------------------------- how it is done

    def _begin(self, customer_id: str, draft: Erasure, at: datetime, *, validate_only: bool) -> Erasure:
        customer = self._store.customers.resolve(customer_id)
        if customer.erasure_id:
            return self._erasures.update(customer.erasure_id, lambda each: (each, []))
        group = self._store.customers.customers.batch_get(customer.group)
        for each in group:
            each.require_erasable()
        begun = [replace(draft, id=self._erasures.id_of(each.id), customer_id=each.id) for each in group]
        if validate_only:
            return begun[0]
        for each, erasure in zip(group, begun, strict=True):
            self._erasures.insert((erasure, []), key=each.id)
            self._store.customers.customers.update(each.id, _doomed_by(erasure, at))
        return self._erasures.get(begun[0].id)

    def _finish(self, erasure: Erasure) -> None:
        at, store = identity.now(), self._store
        customer = store.customers.customers.get(erasure.customer_id)
        held, keys = store.erase(customer.id)
        keys += store.identity.blocking_keys.erase([customer.id]) + store.customers.customers.erase([customer.id])
        self._erasures.erase([erasure.id])  # the reason that was given, which is not counted
        derived = store.derived(customer.id)
        own = ErasureReceipt.of(at, {"customers": [customer], **held, **derived}, self._kept(customer, held), keys)
        store.database.transact(lambda: self._end(erasure.id, own, at, held["facts"], derived))

    def _kept(self, customer: Customer, held: Mapping[str, Sequence[Entity]]) -> list[Records]:
        """Records that stay, by kind. `held` was read already."""
        summary = self._store.activity.summaries.find_by_id(customer.id)
        known = {name: len(entities) for name, entities in held.items()}
        known |= {"receipts": customer.consent.count, "transactions": summary.count if summary is not None else 0}
        kept = [each for each in self._store.holdings.values() if each.kept]
        return [
            Records(
                kind=_NAMES.get(each.collection.name, each.collection.name.replace("_", " ")),
                count=known[each.collection.name]
                if each.collection.name in known
                else sum(1 for _ in each.on(customer.id)),
                reason=each.kept,
            )
            for each in kept
        ]

    def _end(
        self,
        erasure_id: str,
        own: ErasureReceipt,
        at: datetime,
        facts: Sequence[Entity],
        derived: Mapping[str, Sequence[Entity]],
    ) -> None:
        """Ends an erasure with its certificate, unless another process has. What names destroyed keys goes along, so
        that a repeat after a crash counts the same keys."""
        erasure = self._erasures.get(erasure_id)
        if erasure.state is ErasureState.ERASED:
            return
        finished = erasure.finished(own, at)

        def end(customer: Customer) -> Change[Customer]:
            skeleton = customer.erased(at)
            return skeleton, [CustomerErased(customer=skeleton, erasure=finished)]

        self._store.customers.customers.update(finished.customer_id, end)
        self._store.activity.facts.update_many(((each.id, at) for each in facts), PersonalFact.erase)
        self._store.forget(derived)
        self._erasures.update(finished.id, lambda _: (finished, []))


def _doomed_by(erasure: Erasure, at: datetime) -> Callable[[Customer], Change[Customer]]:
    def request(customer: Customer) -> Change[Customer]:
        doomed = customer.to_be_erased(erasure.id, at)
        return doomed, [CustomerErasureRequested(customer_id=customer.id, erasure_id=erasure.id, customer=doomed)]

    return request
