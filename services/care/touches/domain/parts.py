"""Parts of a touch: its states, the task of a person, and the right to hand it over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import OpenEnum


class TouchState(OpenEnum):
    """Progress of a touch."""

    PLANNED = "PLANNED"
    DEFERRED = "DEFERRED"
    CLAIMED = "CLAIMED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    RESPONDED = "RESPONDED"
    FAILED = "FAILED"
    SUPPRESSED = "SUPPRESSED"
    LAPSED = "LAPSED"
    SUPERSEDED = "SUPERSEDED"
    UNCERTAIN = "UNCERTAIN"
    ASSIGNED = "ASSIGNED"


WAITING = frozenset({TouchState.PLANNED, TouchState.DEFERRED})
REACHED = frozenset(
    {
        TouchState.CLAIMED,
        TouchState.SENT,
        TouchState.DELIVERED,
        TouchState.RESPONDED,
        TouchState.FAILED,
        TouchState.UNCERTAIN,
        TouchState.ASSIGNED,
    }
)
"""States after which the same occurrence never comes again, under whatever id of the customer."""


HANDED_OVER = (TouchState.CLAIMED, TouchState.SENT, TouchState.UNCERTAIN)
"""States in which a provider may tell of it: its report may come before its answer."""


class TaskOutcome(OpenEnum):
    """End of a task."""

    DONE = "DONE"
    NOT_REACHED = "NOT_REACHED"
    DECLINED = "DECLINED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task of a person."""

    assignee: str
    due_time: datetime
    outcome: TaskOutcome | None = None
    note: str = ""
    more: str = ""
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Right to hand a touch over: where, by which receipt, and the code of the way out."""

    worker: str
    contact_point: str
    permission_ref: str
    code: str


class DeliveryStatus(OpenEnum):
    """Report of a provider about a message."""

    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    REPLIED = "REPLIED"
