"""Events of cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from libs.chassis.domain import Event
from services.interactions.cases.domain.record import CaseRecord
from services.interactions.clocks.domain.clocks import ReachedPoint
from services.interactions.clocks.domain.policies import ServiceMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent(Event):
    """Something that happened to a case. Carries it as it is afterwards."""

    case: CaseRecord


class CaseOpened(CaseEvent):
    """A case was opened."""


class CaseUpdated(CaseEvent):
    """Details of a case changed."""


class CaseStateChanged(CaseEvent):
    """A case waits or goes on."""


class CaseResolved(CaseEvent):
    """A case was resolved."""


class CaseReopened(CaseEvent):
    """A case came back."""


class CaseClosed(CaseEvent):
    """A case was closed, by its customer or by silence."""


class CaseConfirmed(CaseEvent):
    """The customer confirmed a case after it had closed in silence."""


class CaseLevelRaised(CaseEvent):
    """The level of a case was raised, because it kept coming back."""


class CasePriorityChanged(CaseEvent):
    """A case has another priority."""


class CaseOwnerChanged(CaseEvent):
    """Somebody else answers for a case."""


class CaseLent(CaseEvent):
    """A case was lent."""


class CaseReturned(CaseEvent):
    """A loan of a case ended."""


class CaseConverted(CaseEvent):
    """A case became a complaint."""


class CaseAbsorbed(CaseEvent):
    """A case was merged into another."""


class CaseDivided(CaseEvent):
    """A part of a case became a case of its own."""


class CaseCancelled(CaseEvent):
    """A case was cancelled."""


class CaseErased(CaseEvent):
    """The personal words of a case were erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPointReached(CaseEvent):
    """A clock of a case reached a point of its target."""

    metric: ServiceMetric
    number: int
    percent: int
    reached_time: datetime


class CaseClockWarned(ClockPointReached):
    """A warning point of a clock of a case was reached."""


class CaseClockBreached(ClockPointReached):
    """A clock of a case was breached."""


BREACH: Final = 100
"""Percentage of a target at which it is breached."""


def point_event(case: CaseRecord, reached: ReachedPoint) -> ClockPointReached:
    """The event of a point that a clock of a case reached."""
    event = CaseClockBreached if reached.percent >= BREACH else CaseClockWarned
    return event(
        case=case,
        metric=reached.metric,
        number=reached.number,
        percent=reached.percent,
        reached_time=reached.time,
    )
