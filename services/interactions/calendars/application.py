"""Business calendars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from libs.chassis import identity
from libs.chassis.paging import Page, PageRequest
from libs.worktime.hours import WorkingHours
from libs.worktime.terms import Explanation, Term, explain
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.calendars.store import CalendarsStore


class Calendars:
    """Calendars of the hours that people work."""

    def __init__(self, store: CalendarsStore) -> None:
        self._store = store
        self._calendars = store.calendars

    def create(self, calendar: BusinessCalendar) -> BusinessCalendar:
        """A new calendar."""
        return self._calendars.insert(lambda id: replace(calendar, id=id).create())

    def get(self, calendar_id: str) -> BusinessCalendar:
        """One calendar."""
        return self._calendars.get(calendar_id)

    def list(self, page: PageRequest) -> Page[BusinessCalendar]:
        """A page of all calendars, by name."""
        return self._store.list(page)

    def update(
        self, calendar_id: str, merge: Callable[[BusinessCalendar], BusinessCalendar], revision: int
    ) -> BusinessCalendar:
        """Changes a calendar; `merge` gives it the content that was sent."""
        return self._calendars.update(calendar_id, lambda each: each.become(merge(each)), revision=revision)

    def hours(self, calendar_id: str) -> WorkingHours | None:
        """The working hours of a calendar; None for none."""
        return WorkingHours(self._calendars.get(calendar_id)) if calendar_id else None

    def explain(self, term: Term, start_time: datetime | None = None) -> Explanation:
        """Works out when something would be due, and shows what was counted."""
        return explain(term, start_time or identity.now(), self.hours(term.calendar_id))
