"""The stores of all areas of the service, each with what it may read of others."""

from __future__ import annotations

from libs.chassis.operations import Operations
from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.opportunities.assignment.store import AssignmentStore
from services.opportunities.calendars.store import CalendarsStore
from services.opportunities.conversion.store import ConversionStore
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.store import DealsStore
from services.opportunities.forecast.store import ForecastStore
from services.opportunities.leads.store import LeadsStore
from services.opportunities.notes.store import NotesStore
from services.opportunities.pipelines.store import PipelinesStore
from services.opportunities.privacy.store import PrivacyStore
from services.opportunities.rates.store import RatesStore
from services.opportunities.rivals.store import RivalsStore


class OpportunitiesStore:
    """One store for each area."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.operations = Operations(database)
        self.pipelines = PipelinesStore(database)
        self.customers = Customers(database, CustomerProjection)
        self.deals = DealsStore(database, self.customers, self.pipelines)
        self.rates = RatesStore(database)
        self.calendars = CalendarsStore(database)
        self.leads = LeadsStore(database, self.customers, self.calendars, self.deals)
        self.assignment = AssignmentStore(database, self.leads, self.calendars)
        self.conversion = ConversionStore(database, self.leads, self.deals)
        self.forecast = ForecastStore(
            database, deals=self.deals, customers=self.customers, pipelines=self.pipelines, rates=self.rates
        )
        self.rivals = RivalsStore(database, self.deals)
        self.notes = NotesStore(database, self.deals)
        self.privacy = PrivacyStore(database, self.customers, deals=self.deals, leads=self.leads, notes=self.notes)
