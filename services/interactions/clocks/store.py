"""Service policies, by name."""

from __future__ import annotations

from collections.abc import Sequence

from libs.chassis.filtering import field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.interactions.calendars.store import CalendarsStore
from services.interactions.clocks.domain.policies import ServicePolicy

POLICIES = (
    Index(("display_name",), unique=True, taken="another service policy has this display_name"),
    Index(("display_name",)),
)


class ClocksStore:
    """Service policies, and the calendars that they are counted in."""

    def __init__(self, database: Database, calendars: CalendarsStore) -> None:
        self.database, self.calendars = database, calendars
        self.policies = database.collection(ServicePolicy, "service_policies", indexes=POLICIES)

    def list(self, page: PageRequest) -> Page[ServicePolicy]:
        """All policies, by name."""
        return self.policies.page(None, page, order="display_name")

    def counted_in(self, calendar_id: str, limit: int) -> Sequence[ServicePolicy]:
        """The policies any version of which is counted in a calendar, of the first by name."""
        found = self.policies.find(field("display_name") > "", order="display_name", limit=limit)
        return [each for each in found if any(version.calendar.calendar_id == calendar_id for version in each.versions)]
