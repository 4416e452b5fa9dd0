"""Everything that is held on a customer, and its erasure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from libs.chassis.domain import Entity
from libs.chassis.erasure import Erasure, Erasures, Holding
from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.store import DealsStore
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.store import LeadsStore
from services.opportunities.notes.domain import WorkingNote
from services.opportunities.notes.store import NotesStore


class PrivacyStore:
    """The holdings of the service."""

    def __init__(
        self,
        database: Database,
        customers: Customers[CustomerProjection],
        *,
        deals: DealsStore,
        leads: LeadsStore,
        notes: NotesStore,
    ) -> None:
        held = Holding(
            collection=deals.deals,
            erased=Deal.erase,
            kept="amounts, stages and dates without words",
            order="-open_time",
            record="deal",
        )
        became = Holding(
            collection=leads.leads,
            erased=Lead.erase,
            kept="states, sources and dates without words",
            record="lead",
        )
        noted = Holding(
            collection=notes.notes,
            erased=WorkingNote.erase,
            kept="that there was one",
            record="working_note",
        )
        self._leads = leads
        self.erasures = Erasures(database, customers, [held, became, noted], {"unconverted": self._unconverted})

    def _unconverted(self, erasure: Erasure, limit: int) -> Mapping[str, Sequence[Entity]]:
        """Leads that never became a customer's, by the ways to reach this one."""
        return {"leads": self._leads.unconverted(erasure.identifiers, limit)}
