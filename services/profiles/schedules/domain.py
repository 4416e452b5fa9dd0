"""Long work that is asked for once and done again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Open


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Entity):
    """Plan for one kind of long work of a tenant: its times and its request. There is one for each kind."""

    ID_PREFIX: ClassVar[str] = "sch"

    kind: str
    request: Open[bytes] = b""
    """The request, serialized. Such work is about all customers, so none is named."""
    every_days: int = 0
    """0 for never again."""
    next_time: datetime | None = None
    planned_by: str = ""

    def plan(self, request: bytes, every_days: int, planner: str, now: datetime) -> Change[Schedule]:
        """To be done with this request from now on. The first time was just asked for."""
        next_time = now + timedelta(days=every_days) if every_days else None
        return replace(self, request=request, every_days=every_days, next_time=next_time, planned_by=planner), []

    def start(self, now: datetime) -> Change[Schedule]:
        """After it was started. Turns that were missed are not made up for."""
        if self.next_time is None or self.next_time > now:
            return self, []
        missed = (now - self.next_time) // timedelta(days=self.every_days)
        return replace(self, next_time=self.next_time + (missed + 1) * timedelta(days=self.every_days)), []
