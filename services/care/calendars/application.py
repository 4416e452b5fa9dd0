"""Public holidays: what notices set, and where they end."""

from __future__ import annotations

from services.care.calendars.domain import HolidaysUnknown, HolidayYear
from services.care.calendars.store import CalendarsStore


class Holidays:
    """Public holidays of regions."""

    def __init__(self, store: CalendarsStore) -> None:
        self._store = store

    def publish(self, draft: HolidayYear) -> HolidayYear:
        """The holidays of a year as a notice sets them, in the place of what was known."""
        blank = self._store.blank(draft.region_code, draft.year)
        [written] = self._store.holidays.upsert_many([(blank, draft)], HolidayYear.publish)
        return written

    def get(self, region_code: str, year: int) -> HolidayYear:
        """The holidays of a year. HolidaysUnknown with the year in which the notices end."""
        found = self._store.holidays.find_by_id(self._store.blank(region_code, year).id)
        if found is None:
            last = self._store.last_year(region_code)
            raise HolidaysUnknown(region_code=region_code, year=year, last_year=last)
        return found
