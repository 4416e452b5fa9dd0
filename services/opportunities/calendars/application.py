"""Working hours of the calendars that were heard of."""

from __future__ import annotations

from libs.worktime.hours import Hours
from services.opportunities.calendars.domain import hours_of
from services.opportunities.calendars.store import CalendarsStore


def hours(store: CalendarsStore, calendar_id: str) -> Hours:
    """Working hours of a calendar. Every hour without one. NotFound for one that was not heard of."""
    return hours_of(store.calendars.get(calendar_id) if calendar_id else None)
