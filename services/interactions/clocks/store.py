"""Service policies, by name."""

from __future__ import annotations

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
