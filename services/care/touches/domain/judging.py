"""Judging: everything against a touch at the moment of sending, and what follows from it.

What somebody has to change suppresses it, with all reasons. What passes by itself defers it to the first instant that
nothing is against, or lets it lapse when that is too late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from libs.chassis.domain import OpenEnum
from services.care.customers.domain.permission import (
    Finding,
    Reason,
    obstacles,
    permission_ref,
    point_for,
)
from services.care.customers.domain.projection import ConsentPurpose, CustomerProjection
from services.care.customers.domain.quiet import quiet_until
from services.care.programs.domain.plans import Form, Plan
from services.care.programs.domain.programs import Program, ProgramState
from services.care.senders.domain import Sender
from services.care.touches.domain.planning import candidates
from services.care.touches.domain.touches import Touch

LOOK_AGAIN: Final = timedelta(minutes=15)
"""Pause before what waits for a person, such as a complaint, is looked at again."""
_STEPS_MAX: Final = 20

Pressure = Callable[[Touch, datetime], Finding | None]
"""Asked whether a customer was touched often enough. The ledger of pressure answers it."""


def no_pressure(_touch: Touch, _at: datetime) -> Finding | None:
    """Never against a touch: for as long as nothing is counted."""
    return None


class Verdict(OpenEnum):
    """Consequence of what is against a touch."""

    SEND = "SEND"
    DEFER = "DEFER"
    SUPPRESS = "SUPPRESS"
    LAPSE = "LAPSE"
    SUPERSEDE = "SUPERSEDE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Decision about a touch, with its reasons and its time."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    time: datetime | None = None
    """Time to which it is deferred."""
    contact_point: str = ""
    permission_ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A touch with everything that decides about it."""

    touch: Touch
    program: Program | None
    plan: Plan | None
    customer: CustomerProjection | None
    sender: Sender | None = None
    reached: bool = False
    """Set when the same occurrence came under another id of the customer."""
    assignee: str = ""
    pressure: Pressure = no_pressure

    def judge(self, at: datetime) -> Judgement:
        """Decides about the touch at an instant."""
        touch = self.touch
        if self.reached:
            same = Finding(reason=Reason.ALREADY_SENT, explanation="it came under another id of the customer")
            return Judgement(verdict=Verdict.SUPERSEDE, findings=(same,))
        if at >= touch.expire_time:
            return Judgement(verdict=Verdict.LAPSE)
        if self.customer is not None and self.customer.canonical_id != touch.customer_id:
            merged = Finding(reason=Reason.NO_LONGER_DUE, explanation="the customer was merged")
            return Judgement(verdict=Verdict.SUPERSEDE, findings=(merged,))
        found = tuple(self.findings(at))
        if not found:
            return self._permitted(at)
        moment, against = at, found
        for _ in range(_STEPS_MAX):
            ends = [each.end_time for each in against]
            known = [each for each in ends if each is not None]
            if len(known) < len(ends):
                return Judgement(verdict=Verdict.SUPPRESS, findings=against if moment == at else found)
            moment = max(known)
            if moment >= touch.expire_time:
                return Judgement(verdict=Verdict.LAPSE, findings=found)
            against = tuple(self.findings(moment))
            if not against:
                return Judgement(verdict=Verdict.DEFER, findings=found, time=moment)
            if all(each.reason in _WAITS for each in against):
                return Judgement(verdict=Verdict.DEFER, findings=found, time=max(moment, at + LOOK_AGAIN))
        return Judgement(verdict=Verdict.SUPPRESS, findings=found)

    def findings(self, at: datetime) -> Iterator[Finding]:
        """Everything that is against it at an instant."""
        touch, customer = self.touch, self.customer
        yield from self._program_findings(at)
        if customer is None:
            yield Finding(reason=Reason.CUSTOMER_UNKNOWN, explanation="nothing is known of the customer")
            return
        yield from obstacles(customer, touch.purpose, touch.channel, at)
        if customer.open_complaints and touch.form is Form.MESSAGE and touch.purpose is not ConsentPurpose.SERVICE:
            yield Finding(
                reason=Reason.COMPLAINT_OPEN,
                explanation=f"{len(customer.open_complaints)} complaints are open",
                end_time=at + LOOK_AGAIN,
            )
        if touch.form is Form.MESSAGE:
            if self.sender is None:
                yield Finding(reason=Reason.NO_SENDER, explanation=f"nothing is sent by {touch.channel}")
            yield from self._quiet(customer, at)
        elif not self.assignee:
            yield Finding(reason=Reason.NO_ASSIGNEE, explanation="nobody answers for the customer")
        pressed = self.pressure(touch, at)
        if pressed is not None:
            yield pressed

    def _program_findings(self, at: datetime) -> Iterator[Finding]:
        program, customer = self.program, self.customer
        if program is None:
            return
        if program.state is ProgramState.RETIRED:
            yield Finding(reason=Reason.PROGRAM_RETIRED, explanation=f"{program.display_name} was retired")
        elif program.state is ProgramState.PAUSED:
            yield Finding(
                reason=Reason.PROGRAM_PAUSED, explanation=f"{program.display_name} is paused", end_time=at + LOOK_AGAIN
            )
        if customer is not None and not (customer.deleted or customer.erased) and not program.includes(customer):
            yield Finding(reason=Reason.NOT_IN_AUDIENCE, explanation="the customer is not in the segment")
        if self.plan is None:
            yield Finding(reason=Reason.NO_PLAN, explanation="the tier of the customer has no plan")
        elif customer is not None and self.plan.on_silence is not None and customer.contact_time is not None:
            silent = f"silent:{customer.contact_time.date().isoformat()}"
            if self.touch.occurrence != silent:
                yield Finding(reason=Reason.MET_MEANWHILE, explanation=f"met at {customer.contact_time.isoformat()}")

    def _quiet(self, customer: CustomerProjection, at: datetime) -> Iterator[Finding]:
        hours = self.program.quiet_hours.span if self.program is not None else None
        zones = candidates(customer, self.program) if self.program is not None else (self.touch.time_zone,)
        end = quiet_until(at, hours, customer, self.touch.purpose, zones)
        if end != at:
            yield Finding(
                reason=Reason.QUIET,
                explanation=f"quiet at {at.isoformat()} in {', '.join(zones[:3])}{' …' if len(zones) > 3 else ''}",
                end_time=end,
            )

    def _permitted(self, at: datetime) -> Judgement:
        touch, customer = self.touch, self.customer
        point = point_for(customer, touch.channel) if customer is not None else None
        to = point.canonical if point is not None else ""
        ref = permission_ref(customer, touch.purpose, touch.channel, to, at) if customer is not None else ""
        return Judgement(verdict=Verdict.SEND, contact_point=to, permission_ref=ref)


def counted(judgements: Iterable[Judgement]) -> Sequence[tuple[Reason, int]]:
    """(reason, times that it is against a touch), the most frequent first."""
    counts: dict[Reason, int] = {}
    for judgement in judgements:
        for finding in judgement.findings:
            counts[finding.reason] = counts.get(finding.reason, 0) + 1
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


_WAITS = frozenset({Reason.COMPLAINT_OPEN, Reason.PROGRAM_PAUSED, Reason.PRESSURE})
"""Reasons that somebody ends at a time that nobody knows."""
