"""Use-cases of consent: recording what customers decide, proving it, and asking before a message is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.profiles.consent.domain.chain import ChainCheck, check_chain
from services.profiles.consent.domain.permission import Sending, SendPermission, SendQuestion
from services.profiles.consent.domain.pulses import ConsentPulse
from services.profiles.consent.store import ConsentStore
from services.profiles.customers.domain.consents import ConsentReceipt, ConsentState
from services.profiles.customers.domain.customers import ConsentChanged


class Consents:
    """The chain of receipts of each customer, and what follows from it."""

    def __init__(self, store: ConsentStore) -> None:
        self._store = store

    def record(self, customer_id: str, proposal: ConsentReceipt, *, within: str) -> ConsentReceipt:
        """The receipt of a decision. Wrong fields are reported within a field of the request.

        Receipt and customer change in one transaction: the customer holds the end of the chain, so its revision keeps
        two receipts from taking the same place.
        """
        return self._store.database.transact(
            lambda: self._append(customer_id, proposal, within), again=self._store.receipts.made
        )

    def list(self, customer_id: str, wanted: PageRequest) -> Page[ConsentReceipt]:
        """A page of receipts, the newest first."""
        self._store.customers.customers.get(customer_id)  # Receipts stay with the id that they were recorded for.
        return self._store.list_receipts(customer_id, wanted)

    def verify_chain(self, customer_id: str) -> ChainCheck:
        """The finding of a recomputation of the chain."""
        customer = self._store.customers.customers.get(customer_id)
        receipts = self._store.chain(customer_id)
        return check_chain(customer.consent, customer_id, receipts, erased=customer.erase_time is not None)

    def check_send_permission(self, customer_id: str, question: SendQuestion) -> SendPermission:
        """The permission to send a message, with every reason that speaks against it."""
        customer = self._store.customers.resolve(customer_id)
        return Sending.to(customer, question).permission(question.send_time or identity.now())

    def begin_pulse(self) -> None:
        """Begins the pulse of the tenant, if it does not beat yet."""
        now = identity.now()
        self._store.pulses.upsert_many([(self._store.pulse(), now)], ConsentPulse.begin)

    def beat(self, due: Sequence[ConsentPulse]) -> None:
        """Sends the sign that events about consent flow."""
        now = identity.now()
        self._store.pulses.update_many([(each.id, now) for each in due], ConsentPulse.beat)

    def _append(self, customer_id: str, proposal: ConsentReceipt, within: str) -> ConsentReceipt:
        receipts, customers = self._store.receipts, self._store.customers
        # A refusal is never refused: it counts for who lives on.
        refuses = proposal.state is ConsentState.DENIED
        customer = customers.resolve(customer_id) if refuses else customers.writable(customer_id)
        id, recorder = receipts.next_id(), context.current().actor
        signed = replace(proposal, id=id, recorder=recorder, contact_point_salt=identity.salt())
        decided, receipt = customer.with_consent(signed, identity.now(), within)
        stored = receipts.insert((receipt, []))
        told = ConsentChanged(customer_id=customer.id, receipt=stored, customer=decided)
        customers.customers.update(customer.id, lambda _: (decided, [told]), revision=customer.revision)
        return stored
