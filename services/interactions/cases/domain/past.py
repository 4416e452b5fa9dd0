"""Cases of the past: all that a source tells of them, replayed through the machine and its guards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from libs.chassis.domain import Change, Event
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CancelReason, CaseState
from services.interactions.cases.domain.record import CLOSED, DONE, ENDED, OPEN, RESOLVED, WAITING
from services.interactions.cases.domain.refusals import CaseStepsUnfit
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.clocks.domain.policies import ServicePolicyVersion

ANY_TIME: Final = timedelta(days=3660)
"""Window of a case whose source says that it is the same one that came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCaseStep:
    """State of a case from a time on, as its source told it."""

    time: datetime
    sequence: int = 0
    state: CaseState
    impact: int = 0
    urgency: int = 0
    owner: str = ""
    team: str = ""
    cause: str = ""
    explanation: str = ""
    next_step: str = ""
    next_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCase:
    """A case as a source tells it."""

    source_key: str
    case: Case
    open_time: datetime
    steps: tuple[PastCaseStep, ...] = ()


def replay(
    past: PastCase,
    terms: CaseTerms,
    now: datetime,
    clocks: ServiceClocks | None = None,
    policy: ServicePolicyVersion | None = None,
) -> Change[Case]:
    """The case that its steps make, in whatever order they came. Each passes the guards that a call would pass."""
    steps = sorted(past.steps, key=lambda step: (step.time, step.sequence))
    for step in steps:
        if step.time < past.open_time or step.time > now:
            raise CaseStepsUnfit(time=step.time, open_time=past.open_time)
    terms = replace(terms, reopen_window=ANY_TIME)
    case, events = replace(past.case, source_key=past.source_key).open(terms, now=past.open_time, clocks=clocks)
    told = [*events]
    for step in steps:
        case = _after(case, step, terms, policy, told)
    return case, told


def _after(
    case: Case, step: PastCaseStep, terms: CaseTerms, policy: ServicePolicyVersion | None, told: list[Event]
) -> Case:
    """The case after one step, whose events are added to those that were told."""

    def took(change: Change[Case]) -> Case:
        told.extend(change[1])
        return change[0]

    at = step.time
    if case.state not in ENDED:
        classified = replace(case, impact=step.impact or case.impact, urgency=step.urgency or case.urgency)
        case = took(case.update(classified, terms, at, policy))
        if step.owner:
            case = took(case.assign(step.owner, at, team=step.team))
    if case.state is step.state or (case.state is CLOSED and step.state is RESOLVED):
        return case
    for state in _way(case.state, step.state):
        case = took(_moved(case, state, step, terms))
    return case


def _way(start: CaseState, end: CaseState) -> Sequence[CaseState]:
    """States to go through from one to the other: sources leave out those that were left at once."""
    if end in ENDED or (start, end) == (RESOLVED, CLOSED) or end is OPEN:
        return (end,)
    begun = () if start is OPEN else (OPEN,)
    if end is CLOSED:
        return (*begun, RESOLVED, CLOSED)
    return (*begun, end)


def _moved(case: Case, to: CaseState, step: PastCaseStep, terms: CaseTerms) -> Change[Case]:
    at = step.time
    if to is OPEN:
        return case.reopen("came back", at, terms) if case.state in DONE else case.start(at)
    if to in WAITING:
        return case.wait(to, step.next_step, step.next_time or at, at)
    if to is RESOLVED:
        return case.resolve(step.cause, step.explanation, at, promises=())
    if to is CLOSED:
        return case.confirm(at)
    if to is CaseState.CANCELLED:
        return case.cancel(CancelReason.DUPLICATE, at)
    raise case.forbidden(to)
