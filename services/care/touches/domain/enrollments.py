"""Enrollments: a customer in a program, looked at again when the next touch comes near."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Open, OpenEnum


class EnrollmentState(OpenEnum):
    """Progress of an enrollment."""

    ACTIVE = "ACTIVE"
    LEFT = "LEFT"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment(Entity):
    """A customer in a program."""

    ID_PREFIX: ClassVar[str] = "enr"

    program_id: str
    customer_id: str
    state: EnrollmentState = EnrollmentState.ACTIVE
    plan_time: datetime | None = None
    """Time of the next look. None while no day is known on which something comes."""
    planned_to_time: datetime | None = None
    """Instant up to which touches were planned."""
    anew: bool = False
    """Set when something changed that moves touches: they are worked out anew."""

    def look(self, now: datetime, *, anew: bool) -> Change[Enrollment]:
        """To be looked at now. One that is new begins at this time."""
        looked = replace(
            self,
            state=EnrollmentState.ACTIVE if self.state is EnrollmentState.LEFT else self.state,
            plan_time=min(self.plan_time or now, now),
            planned_to_time=self.planned_to_time or now,
            anew=self.anew or (anew and self.planned_to_time is not None),
        )
        return looked, []

    def plan(self, to: datetime, next_time: datetime | None) -> Change[Enrollment]:
        """After touches were planned up to an instant."""
        return replace(self, planned_to_time=to, plan_time=next_time, anew=False), []

    def end(self, state: EnrollmentState) -> Change[Enrollment]:
        """Ended: the customer left the audience or was merged."""
        return replace(self, state=state, plan_time=None, anew=False), []

    def leave(self) -> Change[Enrollment]:
        """Ended because the customer is gone."""
        return self.end(EnrollmentState.LEFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep(Entity):
    """Progress through all customers on behalf of a program that went to work or was revised."""

    ID_PREFIX: ClassVar[str] = "swp"

    program_id: str
    due_time: datetime | None = None
    place: Open[str] = ""
    """Place among the customers that it has come to, for the store."""

    def begin(self, now: datetime) -> Change[Sweep]:
        """From the first customer on."""
        return replace(self, due_time=now, place=""), []

    def advance(self, place: str) -> Change[Sweep]:
        """After some customers. At the end when there is no place to go on from."""
        return replace(self, place=place, due_time=self.due_time if place else None), []
