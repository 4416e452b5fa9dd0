"""The stores of all areas of the service, each with what it may read of others."""

from __future__ import annotations

from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.surveys.customers.domain import CustomerProjection
from services.surveys.privacy.store import PrivacyStore
from services.surveys.questionnaires.store import QuestionnairesStore


class SurveysStore:
    """One store for each area."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customers = Customers(database, CustomerProjection)
        self.questionnaires = QuestionnairesStore(database)
        self.privacy = PrivacyStore(database, self.customers)
