"""Conversion of leads, a saga of three steps: written down, customer there, opportunity there.

A conversion stands in its lead. What it asks of profiles carries a key of the conversion and an external id of the
lead, so whoever goes on with it finds the customer that was made before a kill. The deal, its history, the end of the
lead and the command are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol

from libs.chassis import context, identity
from libs.chassis.domain import DomainError
from libs.chassis.operations import Job
from services.opportunities.conversion.domain import (
    SYSTEM,
    CustomersAlike,
    FinishedConversions,
    LikeCustomer,
    customer_of,
    deal_of,
    request_id,
)
from services.opportunities.conversion.store import ConversionStore
from services.opportunities.deals.application import Deals
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealState
from services.opportunities.deals.domain.terms import LostReason
from services.opportunities.leads.application import Leads
from services.opportunities.leads.domain.conversions import Conversion, ConversionStep
from services.opportunities.leads.domain.leads import CARE, Lead
from services.opportunities.leads.domain.refusals import LeadMoveForbidden

INTERRUPTED: Final = timedelta(minutes=1)
"""Age of a conversion that was begun, from which on nobody is at work on it."""


class Profiles(Protocol):
    """Methods of the profiles service that a conversion calls."""

    @property
    def find_duplicates(self) -> Callable[..., Any]:
        """Finds customers who are like a draft."""

    @property
    def lookup_customer(self) -> Callable[..., Any]:
        """Finds customers by an external id."""

    @property
    def create_customer(self) -> Callable[..., Any]:
        """Makes a customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishState:
    """How far the finishing of conversions is."""

    place: str = ""
    finished: int = 0
    refused: int = 0


class Conversions:
    """The way of a lead to an opportunity, and back."""

    def __init__(self, store: ConversionStore, profiles: Callable[[], Profiles]) -> None:
        self._store = store
        self._profiles = profiles
        self._deals, self._leads = Deals(store.deals), Leads(store.leads)

    def preview(self, lead_id: str) -> Sequence[LikeCustomer]:
        """The customers whom a lead may be, the most alike first."""
        return self._alike(self._store.leads.leads.get(lead_id))

    def convert(self, lead_id: str, wanted: Conversion, *, revision: int = 0) -> Lead:
        """Converts a lead, or goes on with its conversion."""
        self._store.database.refuse_reused()
        self._store.deals.pipelines.pipelines.get(wanted.pipeline_id)
        self._store.leads.customers.refuse_erased({wanted.customer_id})
        lead = self._store.leads.leads.get(lead_id)
        if lead.source == CARE and not wanted.customer_id:
            wanted = replace(wanted, customer_id=lead.customer_id)
        begun = lead.conversion is not None and lead.conversion.step is not ConversionStep.UNDONE
        if not begun and not wanted.customer_id and not wanted.create_anyway and (alike := self._alike(lead)):
            raise CustomersAlike(lead_id=lead_id, customer_ids=tuple(each.customer_id for each in alike))
        wished = wanted.begun(context.current().actor, identity.now())
        with context.uncommanded():
            lead = self._store.leads.leads.update(
                lead_id, lambda each: each.begin_conversion(wished), revision=revision
            )
        return self._go_on(lead)

    def undo(self, lead_id: str, *, revision: int = 0) -> Lead:
        """Undoes a conversion: the deal is lost, and the lead is open and linked to nobody."""

        def work() -> Lead:
            lead = self._store.leads.leads.get(lead_id)
            current = lead.conversion
            if current is not None and current.step is ConversionStep.DONE and current.deal_id:
                self._lose(lead, self._store.deals.deals.get(current.deal_id))
            return self._store.leads.leads.update(lead_id, Lead.undo_conversion, revision=revision)

        return self._store.database.transact(work, again=lambda: self._store.leads.leads.get(lead_id))

    def finish(self, job: Job[Any, FinishState]) -> FinishedConversions:
        """Finishes what was interrupted. One that is refused does not stop the others."""
        state, before = job.state, identity.now() - INTERRUPTED
        while True:
            found, place = self._store.interrupted(before, state.place)
            for lead in found:
                state = self._finished(lead, state)
            state = replace(state, place=place)
            job.progress(state.finished + state.refused, 0, state)
            if not place:
                return FinishedConversions(finished=state.finished, refused=state.refused)

    # ------------------------------------------------------------------------------------------------------ steps

    def _finished(self, lead: Lead, state: FinishState) -> FinishState:
        try:
            self._go_on(lead)
        except DomainError:
            return replace(state, refused=state.refused + 1)
        return replace(state, finished=state.finished + 1)

    def _go_on(self, lead: Lead) -> Lead:
        current = lead.conversion
        if current is not None and current.step is ConversionStep.BEGUN:
            customer_id = current.customer_id or self._customer(lead, current)
            with context.uncommanded():
                lead = self._store.leads.leads.update(lead.id, lambda each: each.found_customer(customer_id))
        return self._store.leads.customers.while_living(
            {lead.customer_id}, lambda: self._store.database.transact(lambda: self._open_deal(lead.id)), self._withdraw
        )

    def _customer(self, lead: Lead, conversion: Conversion) -> str:
        """The customer that the lead was made before, or a new one."""
        for customer in self._profiles().lookup_customer(external_id={"system": SYSTEM, "id": lead.id}):
            return str(customer.id)
        key = request_id(context.current().tenant, lead, conversion)
        return str(self._profiles().create_customer(customer=customer_of(lead), request_id=key).id)

    def _open_deal(self, lead_id: str) -> Lead:
        """In one transaction: the deal with its history and people, the end of the lead, the link of both."""
        lead, now = self._store.leads.leads.get(lead_id), identity.now()
        current = lead.conversion
        if current is None or current.step is not ConversionStep.CUSTOMER:
            return self._store.leads.leads.update(lead_id, lambda each: each.convert("", now))
        deal = self._deals.open_once(deal_of(lead, current), f"lead:{lead_id}:{current.number}", current.begin_time)
        return self._store.leads.leads.update(lead_id, lambda each: each.convert(deal.id, now))

    def _withdraw(self, lead: Lead) -> None:
        self._leads.withdraw([lead.id])
        if lead.conversion is not None and lead.conversion.deal_id:
            self._deals.withdraw([lead.conversion.deal_id])

    def _lose(self, lead: Lead, deal: Deal) -> None:
        if deal.state is DealState.WON:
            raise LeadMoveForbidden(
                lead_id=lead.id, state=f"converted into {deal.id}, which is won", allowed="reopen the deal first"
            )
        if deal.state is DealState.OPEN:
            self._deals.lose(deal.id, LostReason.OTHER, note="The conversion of its lead was undone.")

    def _alike(self, lead: Lead) -> Sequence[LikeCustomer]:
        if not lead.display_name and not lead.contact_points:
            return ()
        found = self._profiles().find_duplicates(draft=customer_of(lead))
        alike = [each for each in found.duplicates if not _made_of(each.customer, lead)]
        return tuple(
            LikeCustomer(customer_id=each.customer.id, score=each.match.score, likely=each.match.band == LIKELY)
            for each in alike
            if each.match.band in (POSSIBLE, LIKELY)
        )


POSSIBLE: Final = 2
"""`Match.Band` of profiles: worth a look."""
LIKELY: Final = 3
"""`Match.Band` of profiles: probably the same."""


def _made_of(customer: Any, lead: Lead) -> bool:
    """Tells that a customer was made of this very lead."""
    return any(each.system == SYSTEM and each.id == lead.id for each in customer.external_ids)
