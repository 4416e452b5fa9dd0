"""Calendars, by name."""

from __future__ import annotations

from libs.chassis.paging import Page
from libs.chassis.store import Database, Index
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.customers.store import ListRequest, page_of

CALENDARS = (
    Index(("display_name",), unique=True, taken="another calendar has this display_name"),
    Index(("display_name",)),
)


class CalendarsStore:
    """Business calendars."""

    def __init__(self, database: Database) -> None:
        self.calendars = database.collection(BusinessCalendar, "calendars", indexes=CALENDARS)

    def list(self, request: ListRequest) -> Page[BusinessCalendar]:
        """All calendars, by name."""
        return page_of(self.calendars, None, "display_name", request)
