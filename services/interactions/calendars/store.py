"""Calendars, by name."""

from __future__ import annotations

from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.interactions.calendars.domain import BusinessCalendar, CalendarRevision

CALENDARS = (
    Index(("display_name",), unique=True, taken="another calendar has this display_name"),
    Index(("display_name",)),
)


class CalendarsStore:
    """Business calendars."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.calendars = database.collection(BusinessCalendar, "calendars", indexes=CALENDARS)
        self.revisions = database.collection(CalendarRevision, "calendar_revisions", publishes=False)

    def at(self, calendar_id: str, revision: int) -> BusinessCalendar:
        """A calendar at one of its revisions."""
        id = self.revisions.id_of(f"{calendar_id}:{revision}")
        return self.revisions.get(id).calendar

    def list(self, page: PageRequest) -> Page[BusinessCalendar]:
        """All calendars, by name."""
        return self.calendars.page(None, page, order="display_name")
