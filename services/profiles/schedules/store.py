"""Schedules, by kind and by when they are due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from libs.chassis.filtering import all_of, field
from libs.chassis.store import Database, Due, Index
from services.profiles.schedules.domain import Schedule

PLANNED = field("next_time") > datetime(1970, 1, 1, tzinfo=UTC)
"""Condition of a partial index. A query that is to use it repeats it."""
SCHEDULES = (Index(("kind",)), Index(("next_time",), only=PLANNED, every_tenant=True))
_MOST_KINDS: Final = 500
SCHEDULE_BATCH: Final = 50
"""Schedules that are started in one go."""


class SchedulesStore:
    """Schedules."""

    def __init__(self, database: Database) -> None:
        self.schedules = database.collection(Schedule, "schedules", indexes=SCHEDULES, publishes=False)

    def planned(self) -> list[Schedule]:
        """The schedules of a tenant that are in force, by their kinds."""
        found = self.schedules.find(None, order="kind", limit=_MOST_KINDS)
        return [each for each in found if each.next_time is not None]

    def due(self) -> Due[Schedule]:
        """Schedules whose time has come, the earliest first."""
        return Due(
            self.schedules,
            lambda now: all_of(PLANNED, field("next_time") <= now),
            order="next_time",
            limit=SCHEDULE_BATCH,
        )
