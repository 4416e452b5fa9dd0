"""Working notes by deal and author."""

from __future__ import annotations

from libs.chassis.filtering import all_of, field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.opportunities.deals.store import DealsStore
from services.opportunities.notes.domain import WorkingNote

NOTES = (Index(("deal_id", "author", "-create_time")), Index(("customer_id", "-create_time")))


class NotesStore:
    """Working notes. They are never published, so that no journal and no other service has them."""

    def __init__(self, database: Database, deals: DealsStore) -> None:
        self.database = database
        self.deals = deals
        self.notes = database.collection(WorkingNote, "working_notes", indexes=NOTES, publishes=False)

    def list(self, deal_id: str, author: str, request: PageRequest) -> Page[WorkingNote]:
        """The notes that somebody wrote on a deal, the latest first."""
        mine = all_of(field("deal_id") == deal_id, field("author") == author)
        return self.notes.page(mine, request, order="-create_time")
