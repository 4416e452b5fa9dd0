"""Use-cases of schedules: asking for work again and again, and starting it when its time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from libs.chassis import context, identity
from libs.chassis.domain import FailedPrecondition
from services.profiles.schedules.domain import Schedule
from services.profiles.schedules.store import SchedulesStore


class Schedules:
    """Plans of long work that is done again and again."""

    def __init__(self, store: SchedulesStore) -> None:
        self._store = store
        self._schedules = store.schedules

    def plan(self, kind: str, request: bytes, every_days: int) -> Schedule:
        """The work is started again every so many days, with this request. With 0 never again."""
        planner, now = context.current().actor, identity.now()
        blank = Schedule(id=self._schedules.id_of(kind), kind=kind)
        [planned] = self._schedules.upsert_many(
            [(blank, every_days)], lambda each, days: each.plan(request, days, planner, now)
        )
        return planned

    def list(self) -> list[Schedule]:
        """The plans."""
        return self._store.planned()

    def start(self, due: Sequence[Schedule], begin: Callable[[str, bytes], object]) -> None:
        """Begins the work whose time has come.

        What is under way already is not begun twice, so one who dies between beginning and noting it does no harm.
        """
        for schedule in due:
            try:
                begin(schedule.kind, schedule.request)
            except FailedPrecondition as refusal:
                if refusal.reason_code != "OPERATION_RUNNING":
                    raise
            self._schedules.update(schedule.id, lambda each: each.start(identity.now()))
