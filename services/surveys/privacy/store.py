"""Everything that is held on a customer, and its erasure."""

from __future__ import annotations

from typing import Any

from libs.chassis.erasure import Erasures, Holding
from libs.chassis.projection import Customers
from libs.chassis.store import Database
from services.surveys.collection.domain.papers import PaperEntry
from services.surveys.collection.domain.responses import Response
from services.surveys.collection.domain.sheets import Sheet
from services.surveys.collection.store import CollectionStore
from services.surveys.customers.domain import CustomerProjection
from services.surveys.loop.domain import Alert
from services.surveys.loop.store import LoopStore
from services.surveys.sampling.domain.invitations import Invitation
from services.surveys.sampling.domain.samples import FrameEntry
from services.surveys.sampling.store import SamplingStore


class PrivacyStore:
    """The holdings of the service."""

    def __init__(
        self,
        database: Database,
        customers: Customers[CustomerProjection],
        sampling: SamplingStore,
        collection: CollectionStore,
        loop: LoopStore,
    ) -> None:
        held: list[Holding[Any]] = [
            Holding(
                collection=sampling.invitations,
                erased=Invitation.erase,
                kept="states and times of invitations, which rates of response rest on",
                record="invitation",
            ),
            Holding(
                collection=sampling.frame,
                erased=FrameEntry.erase,
                kept="chances to be drawn, which the weights of others rest on",
                record="frame_entry",
            ),
            Holding(collection=collection.sheets, erased=Sheet.erase, kept="times without answers", record="sheet"),
            Holding(
                collection=collection.responses,
                erased=Response.erase,
                kept="times without answers; what counted was counted",
                record="response",
            ),
            Holding(
                collection=collection.papers,
                erased=PaperEntry.erase,
                kept="numbers of papers",
                record="paper_entry",
            ),
            Holding(collection=loop.alerts, erased=Alert.erase, kept="outcomes without words", record="alert"),
        ]
        self.erasures = Erasures(database, customers, held)
