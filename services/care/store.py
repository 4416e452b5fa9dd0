"""The stores of all areas of the service, each with what it may read of others."""

from __future__ import annotations

from libs.chassis.store import Database
from services.care.adherence.store import AdherenceStore
from services.care.alerts.store import AlertsStore
from services.care.calendars.store import CalendarsStore
from services.care.churn.store import ChurnStore
from services.care.customers.store import CustomersStore
from services.care.entitlements.store import EntitlementsStore
from services.care.plays.store import PlaysStore
from services.care.pressure.store import PressureStore
from services.care.privacy.store import PrivacyStore
from services.care.programs.store import ProgramsStore
from services.care.senders.store import SendersStore
from services.care.touches.store import TouchesStore


class CareStore:
    """One store for each area."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calendars = CalendarsStore(database)
        self.customers = CustomersStore(database)
        self.programs = ProgramsStore(database, self.customers)
        self.senders = SendersStore(database)
        self.pressure = PressureStore(database, self.customers)
        self.touches = TouchesStore(database, self.customers, self.programs, self.senders, self.pressure)
        self.alerts = AlertsStore(database, self.customers)
        self.plays = PlaysStore(database, self.customers, self.alerts, self.touches)
        self.churn = ChurnStore(database, self.customers, self.alerts, self.touches)
        self.entitlements = EntitlementsStore(database, self.customers)
        areas = (self.alerts, self.plays, self.churn, self.entitlements)
        self.adherence = AdherenceStore(database, self.customers, self.programs)
        others = [holding for area in areas for holding in area.holdings()]
        self.privacy = PrivacyStore(database, self.customers, self.programs, self.touches, others)
