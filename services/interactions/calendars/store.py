"""Calendars, by name."""

from __future__ import annotations

from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.interactions.calendars.domain import BusinessCalendar

CALENDARS = (
    Index(("display_name",), unique=True, taken="another calendar has this display_name"),
    Index(("display_name",)),
)


class CalendarsStore:
    """Business calendars."""

    def __init__(self, database: Database) -> None:
        self.calendars = database.collection(BusinessCalendar, "calendars", indexes=CALENDARS)

    def list(self, page: PageRequest) -> Page[BusinessCalendar]:
        """All calendars, by name."""
        return self.calendars.page(None, page, order="display_name")
