"""Programs: plans by tier with a purpose, from draft to retirement, in versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FieldViolation, InvalidArgument, OpenEnum
from libs.worktime.civil import zone_violations
from services.care.customers.domain.projection import CustomerProjection, QuietSpan
from services.care.programs.domain.contents import Purpose
from services.care.programs.domain.plans import Plan
from services.care.programs.domain.refusals import OverrideOver, PlanRepeated, ProgramStateForbids


class Phase(OpenEnum):
    """Part of the journey in which a program cares."""

    PRE_SALE = "PRE_SALE"
    IN_SALE = "IN_SALE"
    AFTER_SALE = "AFTER_SALE"
    QUALITY = "QUALITY"


class ProgramState(OpenEnum):
    """Progress of a program."""

    DRAFT = "DRAFT"
    REVIEW = "REVIEW"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Hours of the clock in which nothing is sent."""

    start_minute: int = 0
    end_minute: int = 0

    @property
    def span(self) -> QuietSpan | None:
        """The same as a span. None for hours that are never quiet."""
        if self.start_minute == self.end_minute:
            return None
        return QuietSpan(start_minute=self.start_minute, end_minute=self.end_minute)


NIGHT = QuietHours(start_minute=21 * 60, end_minute=8 * 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Entity):
    """Standing attention for customers: it has no end."""

    ID_PREFIX: ClassVar[str] = "prog"

    display_name: str
    purpose: Purpose
    phase: Phase
    segment_id: str = ""
    time_zone: str
    quiet_hours: QuietHours = NIGHT
    plans: tuple[Plan, ...]
    review_date: date | None = None
    owner: str = ""
    state: ProgramState = ProgramState.DRAFT
    version: int = 0
    active_time: datetime | None = None

    # ------------------------------------------------------------------------------------------------- its writing

    def create(self, actor: str) -> Change[Program]:
        """This program as a new draft. InvalidArgument names everything that is wrong with it."""
        self.check()
        created = replace(
            self,
            version=1,
            state=ProgramState.DRAFT,
            active_time=None,
            owner=self.owner or actor,
        )
        return created, [ProgramCreated(program=created)]

    def revise(self, other: Program) -> Change[Program]:
        """The next version. What an active program has not sent yet follows it."""
        if self.state is ProgramState.RETIRED:
            raise ProgramStateForbids(program_id=self.id, state=self.state, allowed=["not retired"])
        other.check()
        revised = replace(self, **{name: getattr(other, name) for name in _WRITTEN})
        if revised == self:
            return self, []
        back = self.state is ProgramState.REVIEW
        revised = replace(revised, version=self.version + 1, state=ProgramState.DRAFT if back else self.state)
        return revised, [ProgramRevised(program=revised)]

    def check(self) -> None:
        """Refuses an unsound program with everything that is wrong."""
        if found := tuple(self.violations()):
            raise InvalidArgument(violations=found)

    def violations(self) -> Iterator[FieldViolation]:
        """Everything that makes the program unsound."""
        yield from zone_violations(self.time_zone, "time_zone")
        tiers = [each.tier for each in self.plans]
        for tier in dict.fromkeys(each for each in tiers if tiers.count(each) > 1):
            yield from PlanRepeated(tier=tier or "everybody else").violations
        for number, plan in enumerate(self.plans):
            for wrong in plan.violations(self.purpose):
                yield replace(wrong, field=f"plans[{number}].{wrong.field}")

    # -------------------------------------------------------------------------------------------------- its states

    def review(self) -> Change[Program]:
        """Reviewed: a draft whose dry run somebody saw."""
        return self._moved(ProgramState.REVIEW, ProgramState.DRAFT, ProgramState.REVIEW)

    def activate(self, now: datetime) -> Change[Program]:
        """At work. A draft is reviewed first."""
        moved, events = self._moved(ProgramState.ACTIVE, ProgramState.REVIEW, ProgramState.PAUSED, ProgramState.ACTIVE)
        if not events:
            return moved, events
        moved = replace(moved, active_time=self.active_time or now)
        return moved, [ProgramMoved(program=moved)]

    def pause(self) -> Change[Program]:
        """Stopped for a while."""
        return self._moved(ProgramState.PAUSED, ProgramState.ACTIVE, ProgramState.PAUSED)

    def retire(self) -> Change[Program]:
        """Ended for good."""
        return self._moved(ProgramState.RETIRED, *ProgramState)

    def _moved(self, to: ProgramState, *allowed: ProgramState) -> Change[Program]:
        if self.state not in allowed:
            raise ProgramStateForbids(program_id=self.id, state=self.state, allowed=list(allowed))
        if self.state is to:
            return self, []
        moved = replace(self, state=to)
        return moved, [ProgramMoved(program=moved)]

    # ------------------------------------------------------------------------------------------------ its audience

    def includes(self, customer: CustomerProjection) -> bool:
        """Tells whether a customer belongs to those who are cared for."""
        gone = customer.erased or customer.deleted or bool(customer.merged_into)
        return not gone and (not self.segment_id or self.segment_id in customer.segment_ids)

    def plan_for(self, customer: CustomerProjection) -> Plan | None:
        """The plan of the tier of a customer, else the one of everybody else."""
        by_tier = {str(each.tier or ""): each for each in self.plans}
        return by_tier.get(customer.tier) or by_tier.get("")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramVersion(Entity):
    """A program as one of its versions had it."""

    ID_PREFIX: ClassVar[str] = "prv"

    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOverride(Entity):
    """Another plan for one customer, until it expires."""

    ID_PREFIX: ClassVar[str] = "pov"

    program_id: str
    customer_id: str
    plan: Plan
    owner: str = ""
    reason: str
    expire_time: datetime

    def begin(self, purpose: Purpose, actor: str, now: datetime) -> Change[PlanOverride]:
        """This override as a new one."""
        if self.expire_time <= now:
            raise OverrideOver(expire_time=self.expire_time)
        if wrong := tuple(self.plan.violations(purpose)):
            raise InvalidArgument(violations=[replace(each, field=f"plan.{each.field}") for each in wrong])
        begun = replace(self, plan=replace(self.plan, tier=None), owner=self.owner or actor)
        return begun, [PlanOverridden(override=begun)]

    def end(self, now: datetime) -> Change[PlanOverride]:
        """Over now. One that is over already stays as it is."""
        if self.expire_time <= now:
            return self, []
        ended = replace(self, expire_time=now)
        return ended, [PlanOverrideEnded(override=ended)]

    def erase(self) -> Change[PlanOverride]:
        """Without words about the person."""
        if not self.reason:
            return self, []
        left = replace(self, reason="")
        return left, [PlanOverrideErased(override=left)]


_WRITTEN = (
    "display_name",
    "purpose",
    "phase",
    "segment_id",
    "time_zone",
    "quiet_hours",
    "plans",
    "review_date",
    "owner",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCreated(Event):
    """Tells that a program was created."""

    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRevised(Event):
    """Tells that a program got another version."""

    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramMoved(Event):
    """Tells that a program went from one state to another."""

    program: Program


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOverridden(Event):
    """Tells that a customer gets another plan than the tier gives."""

    override: PlanOverride


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOverrideEnded(Event):
    """Tells that a customer gets the plan of the tier again."""

    override: PlanOverride


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOverrideErased(Event):
    """Tells that what is personal in an override was erased."""

    override: PlanOverride
