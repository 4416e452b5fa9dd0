"""Business calendars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from libs.worktime.clock import CalendarVersion
from libs.worktime.hours import AroundTheClock, Hours, WorkingHours
from libs.worktime.terms import Explanation, Term, explain
from services.interactions.calendars.domain import BusinessCalendar, CalendarRevision
from services.interactions.calendars.store import CalendarsStore

AROUND_THE_CLOCK: Final = AroundTheClock()
HOURS_KEPT: Final = 256
"""Revisions of calendars whose expanded weeks a process keeps."""


class Calendars:
    """Calendars of the hours that people work."""

    def __init__(self, store: CalendarsStore) -> None:
        self._store = store
        self._calendars = store.calendars
        self._hours: dict[tuple[str, CalendarVersion], WorkingHours] = {}

    def create(self, calendar: BusinessCalendar) -> BusinessCalendar:
        """A new calendar."""
        return self._remembered(lambda: self._calendars.insert(lambda id: replace(calendar, id=id).create()))

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
        return self._remembered(
            lambda: self._calendars.update(calendar_id, lambda each: each.become(merge(each)), revision=revision)
        )

    def hours(self, calendar_id: str) -> WorkingHours | None:
        """The working hours of a calendar. None for none."""
        return WorkingHours(self._calendars.get(calendar_id)) if calendar_id else None

    def version(self, calendar_id: str) -> CalendarVersion:
        """A calendar as it is now, as clocks name it."""
        return CalendarVersion(calendar_id=calendar_id, revision=self._calendars.get(calendar_id).revision)

    def hours_at(self, version: CalendarVersion) -> Hours:
        """The working hours of a calendar at one of its revisions. Every hour without a calendar."""
        if not version.calendar_id:
            return AROUND_THE_CLOCK
        key = (context.current().tenant, version)
        if key not in self._hours:
            if len(self._hours) >= HOURS_KEPT:
                self._hours.clear()
            self._hours[key] = WorkingHours(self._store.at(version.calendar_id, version.revision))
        return self._hours[key]

    def _remembered(self, write: Callable[[], BusinessCalendar]) -> BusinessCalendar:
        """Writes, and keeps the revision beside it: clocks are counted in calendars as they were."""

        def work() -> BusinessCalendar:
            written = write()
            kept = CalendarRevision(id="", calendar=written)
            self._store.revisions.insert((kept, []), key=f"{written.id}:{written.revision}")
            return written

        return self._store.database.transact(work)

    def explain(self, term: Term, start_time: datetime | None = None) -> Explanation:
        """Works out when something would be due, and shows what was counted."""
        return explain(term, start_time or identity.now(), self.hours(term.calendar_id))
