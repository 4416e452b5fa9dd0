"""Calendars by id, and working hours to count in."""

from __future__ import annotations

from libs.chassis.store import Database
from services.opportunities.calendars.domain import CalendarProjection


class CalendarsStore:
    """The calendars that were heard of."""

    def __init__(self, database: Database) -> None:
        self.calendars = database.collection(CalendarProjection, "calendars", publishes=False)
