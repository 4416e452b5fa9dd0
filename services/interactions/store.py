"""The stores of all areas of the service, each with what it may read of others."""

from __future__ import annotations

from libs.chassis.operations import Operations
from libs.chassis.store import Database
from services.interactions.calendars.store import CalendarsStore
from services.interactions.callcenter.store import CallcenterStore
from services.interactions.cases.store import CasesStore
from services.interactions.clocks.store import ClocksStore
from services.interactions.complaints.store import ComplaintsStore
from services.interactions.conversations.store import ConversationsStore
from services.interactions.counts.store import CountsStore
from services.interactions.customers.store import CustomersStore
from services.interactions.privacy.store import PrivacyStore
from services.interactions.problems.store import ProblemsStore
from services.interactions.promises.store import PromisesStore
from services.interactions.quality.store import QualityStore
from services.interactions.remedies.store import RemediesStore
from services.interactions.routing.store import RoutingStore
from services.interactions.sla.store import SlaStore
from services.interactions.timeline.store import TimelineStore


class InteractionsStore:
    """One store for each area, and the operations of the service."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.operations = Operations(database)
        self.customers = CustomersStore(database)
        self.calendars = CalendarsStore(database)
        self.conversations = ConversationsStore(database, self.customers)
        self.timeline = TimelineStore(database, self.customers, self.conversations)
        self.counts = CountsStore(database)
        self.promises = PromisesStore(database, self.customers, self.conversations, self.calendars)
        self.clocks = ClocksStore(database, self.calendars)
        self.cases = CasesStore(database, self.customers, self.promises, self.clocks)
        self.sla = SlaStore(database, self.cases, self.clocks)
        self.routing = RoutingStore(database, self.customers, self.calendars, self.promises)
        self.callcenter = CallcenterStore(database, self.routing, self.timeline, self.cases)
        self.quality = QualityStore(database, self.callcenter)
        self.remedies = RemediesStore(database, self.cases)
        self.complaints = ComplaintsStore(database, self.remedies)
        self.problems = ProblemsStore(database, self.remedies)
        self.privacy = PrivacyStore(database, self.timeline, self.complaints, self.problems, self.quality)
