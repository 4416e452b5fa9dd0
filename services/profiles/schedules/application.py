"""Use-cases of schedules: asking for work again and again, and starting it when its time has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import Change, FailedPrecondition
from services.profiles.schedules.domain import Schedule
from services.profiles.store import ProfilesStore

_DUE: Final = 50


class Schedules:
    """What of the long work is done again and again."""

    def __init__(self, store: ProfilesStore) -> None:
        self._store = store
        self._schedules = store.schedules

    def plan(self, kind: str, request: bytes, every_days: int) -> Schedule:
        """The work is started again every so many days, with this request; with 0 never again."""
        id, planner, now = self._schedules.next_id(kind), context.current().actor, identity.now()

        def plan(known: Schedule | None) -> Change[Schedule]:
            return (known or Schedule(id=id, kind=kind)).planned(request, every_days, planner, now)

        self._schedules.fold([(id, plan)])
        return self._schedules.get(id)

    def list(self) -> list[Schedule]:
        """What is planned."""
        return self._store.planned()

    def start_due(self, start: Callable[[str, bytes], object]) -> int:
        """Starts what is due, of every tenant; how much that was.

        Work that is under way already is not started twice, so one who dies between starting and noting it does no
        harm.
        """
        due = self._store.due_schedules(identity.now(), _DUE)
        for tenant, schedule in due:
            with context.enter(Context(tenant=tenant, actor="service:profiles")):
                try:
                    start(schedule.kind, schedule.request)
                except FailedPrecondition as refusal:
                    if refusal.reason_code != "OPERATION_RUNNING":
                        raise
                self._schedules.update(schedule.id, lambda each: each.started(identity.now()))
        return len(due)
