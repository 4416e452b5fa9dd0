"""Problems: a tree of causes, the customers who are affected, and a remedy that each of them gets once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, InvalidArgument, OpenEnum
from services.interactions.remedies.domain.goodwill import RemedyAction, check_money

CAUSES_MAX: Final = 200
"""Causes that a problem has at most."""


class CauseMisplaced(InvalidArgument):
    """{key} cannot stand below {parent}: keys are used once, and a parent is there before."""

    wrong_field: ClassVar[str] = "cause.key"

    key: str
    parent: str


class ProblemNotReady(FailedPrecondition):
    """{problem_id} is {state}. First it needs {needed}."""

    problem_id: str
    state: str
    needed: str


class ProblemState(OpenEnum):
    """State of a problem."""

    OPEN = "OPEN"
    PLANNED = "PLANNED"
    REMEDIED = "REMEDIED"
    SOLVED = "SOLVED"


class AffectedState(OpenEnum):
    """State of an affected customer."""

    WAITING = "WAITING"
    COVERED = "COVERED"
    REMEDIED = "REMEDIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause in the tree of a problem."""

    key: str
    parent: str = ""
    text: str
    confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyPlan:
    """All that every affected customer is given and told."""

    action: RemedyAction | None = None
    currency_code: str = ""
    amount: int = 0
    apology: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Entity):
    """Something that many customers have."""

    ID_PREFIX: ClassVar[str] = "prb"

    title: str
    product: str = ""
    state: ProblemState = ProblemState.OPEN
    causes: tuple[Cause, ...] = ()
    plan: RemedyPlan | None = None
    planned_by: str = ""
    open_time: datetime | None = None
    end_time: datetime | None = None
    affected: int = 0
    remedied: int = 0

    def open(self, now: datetime) -> Change[Problem]:
        """This problem as a new one."""
        opened = Problem(id=self.id, title=self.title, product=self.product, open_time=now)
        return opened, [ProblemOpened(problem=opened)]

    def add_cause(self, cause: Cause) -> Change[Problem]:
        """With one cause more."""
        keys = {each.key for each in self.causes}
        if cause.key in keys or (cause.parent and cause.parent not in keys) or len(keys) >= CAUSES_MAX:
            raise CauseMisplaced(key=cause.key, parent=cause.parent or "the problem")
        return self._told(causes=(*self.causes, replace(cause, confirmed=False)))

    def confirm_cause(self, key: str) -> Change[Problem]:
        """A cause is found."""
        if key not in {each.key for each in self.causes}:
            raise CauseMisplaced(key=key, parent="the problem")
        return self._told(
            causes=tuple(replace(each, confirmed=each.confirmed or each.key == key) for each in self.causes)
        )

    def plan_remedy(self, plan: RemedyPlan, by: str) -> Change[Problem]:
        """With a remedy. What was given under an earlier one stays, and is not given again."""
        if self.state is ProblemState.SOLVED:
            raise ProblemNotReady(problem_id=self.id, state=self.state, needed="to be open")
        if plan.action is not None:
            check_money(plan.amount, plan.currency_code, "plan")
        return self._told(plan=plan, planned_by=by, state=ProblemState.PLANNED)

    def require_plan(self) -> RemedyPlan:
        """The remedy. ProblemNotReady without one."""
        if self.plan is None:
            raise ProblemNotReady(problem_id=self.id, state=self.state, needed="a remedy that is planned")
        return self.plan

    def count(self, *, affected: int = 0, remedied: int = 0, done: bool = False) -> Change[Problem]:
        """With more customers noted or remedied."""
        state = ProblemState.REMEDIED if done and self.state is ProblemState.PLANNED else self.state
        return self._told(affected=self.affected + affected, remedied=self.remedied + remedied, state=state)

    def solve(self, now: datetime) -> Change[Problem]:
        """Its cause is removed."""
        if not any(each.confirmed for each in self.causes):
            raise ProblemNotReady(problem_id=self.id, state=self.state, needed="a confirmed cause")
        return self._told(state=ProblemState.SOLVED, end_time=self.end_time or now)

    def _told(self, **changes: object) -> Change[Problem]:
        changed = replace(self, **changes)  # type: ignore[arg-type]
        return (changed, [ProblemUpdated(problem=changed)]) if changed != self else (self, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedCustomer(Entity):
    """A customer who is affected by a problem."""

    ID_PREFIX: ClassVar[str] = "aff"

    problem_id: str
    customer_id: str
    case_id: str = ""
    state: AffectedState = AffectedState.WAITING
    goodwill_id: str = ""
    remedy_time: datetime | None = None

    def note(self) -> Change[AffectedCustomer]:
        """This customer as affected."""
        return self, [CustomerAffected(affected=self)]

    def cover(self) -> Change[AffectedCustomer]:
        """The same person has it under another id."""
        if self.state is not AffectedState.WAITING:
            return self, []
        covered = replace(self, state=AffectedState.COVERED)
        return covered, [AffectedCovered(affected=covered)]

    def remedy(self, goodwill_id: str, case_id: str, apology: str, now: datetime) -> Change[AffectedCustomer]:
        """The remedy is given, and the apology is to be told. Nothing when it was before."""
        if self.state is not AffectedState.WAITING:
            return self, []
        done = replace(self, state=AffectedState.REMEDIED, goodwill_id=goodwill_id, case_id=case_id, remedy_time=now)
        return done, [ApologyDue(affected=done, apology=apology)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyProgress:
    """Customers whom an operation has gone through."""

    remedied: int = 0
    covered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemEvent(Event):
    """Something that happened to a problem."""

    problem: Problem


class ProblemOpened(ProblemEvent):
    """A problem was opened."""


class ProblemUpdated(ProblemEvent):
    """A problem changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedEvent(Event):
    """Something that happened to an affected customer."""

    affected: AffectedCustomer


class CustomerAffected(AffectedEvent):
    """A customer is affected by a problem."""


class AffectedCovered(AffectedEvent):
    """A customer has the remedy of a problem under another id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApologyDue(AffectedEvent):
    """A customer got the remedy of a problem and is to be told of it, once."""

    apology: str
