"""Public holidays by region and year."""

from __future__ import annotations

from libs.chassis.filtering import field
from libs.chassis.store import Database, Index
from services.care.calendars.domain import HolidayYear

HOLIDAYS = (Index(("region_code", "-year")),)


class CalendarsStore:
    """The notices of a tenant."""

    def __init__(self, database: Database) -> None:
        self.holidays = database.collection(HolidayYear, "holiday_years", indexes=HOLIDAYS, publishes=False)

    def blank(self, region_code: str, year: int) -> HolidayYear:
        """A year of a region that nothing is known of."""
        return HolidayYear(id=self.holidays.id_of(f"{region_code}:{year}"), region_code=region_code, year=year)

    def last_year(self, region_code: str) -> int:
        """The year with which the notices of a region end. 0 when there is none."""
        found = self.holidays.find(field("region_code") == region_code, order="-year", limit=1)
        return found[0].year if found else 0
