"""The stores of all areas of the service, each with what it may read of others."""

from __future__ import annotations

from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.surveys.collection.store import CollectionStore
from services.surveys.customers.domain import CustomerProjection
from services.surveys.loop.store import LoopStore
from services.surveys.privacy.store import PrivacyStore
from services.surveys.questionnaires.store import QuestionnairesStore
from services.surveys.results.store import ResultsStore
from services.surveys.sampling.store import SamplingStore


class SurveysStore:
    """One store for each area."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customers = Customers(database, CustomerProjection)
        self.questionnaires = QuestionnairesStore(database)
        self.sampling = SamplingStore(database, self.customers, self.questionnaires)
        self.collection = CollectionStore(database, self.customers, self.questionnaires, self.sampling)
        self.results = ResultsStore(database, self.questionnaires, self.sampling, self.collection)
        self.loop = LoopStore(database, self.questionnaires)
        self.privacy = PrivacyStore(database, self.customers, self.sampling, self.collection, self.loop)
