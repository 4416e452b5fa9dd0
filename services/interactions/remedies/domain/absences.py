"""Absences with their deputies, and leave to break the routine for one case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, InvalidArgument
from services.interactions.remedies.domain.goodwill import RemedyAction, check_money


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence(Entity):
    """Time in which an agent is not there."""

    ID_PREFIX: ClassVar[str] = "abs"

    agent_id: str
    start_time: datetime
    end_time: datetime
    deputy_id: str = ""

    def record(self) -> Change[Absence]:
        """This absence as a new one."""
        if self.end_time <= self.start_time:
            raise InvalidArgument.field("absence.end_time", f"{self.end_time.isoformat()} is not after its start")
        if self.deputy_id == self.agent_id:
            raise InvalidArgument.field("absence.deputy_id", "nobody stands in for themselves")
        return self, [AbsenceRecorded(absence=self)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionGrant(Entity):
    """Leave to break the routine for one case: until it expires, up to an amount in place of the limits."""

    ID_PREFIX: ClassVar[str] = "grt"

    case_id: str
    action: RemedyAction
    currency_code: str
    amount: int
    approved_by: str = ""
    reason: str = ""
    """Read when the next version of the limits is made."""
    expire_time: datetime

    def give(self, by: str, now: datetime) -> Change[ExceptionGrant]:
        """This grant as a new one."""
        if self.expire_time <= now:
            raise InvalidArgument.field("grant.expire_time", f"{self.expire_time.isoformat()} is over")
        check_money(self.amount, self.currency_code, "grant")
        given = replace(self, approved_by=by)
        return given, [ExceptionGranted(grant=given)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceRecorded(Event):
    """An absence was recorded."""

    absence: Absence


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionGranted(Event):
    """An exception was granted."""

    grant: ExceptionGrant
