"""Parts of a case: episodes, ownership, loans, the checklist and wishes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import OpenEnum


class CaseType(OpenEnum):
    """Kind of a case."""

    INQUIRY = "INQUIRY"
    REQUEST = "REQUEST"
    INCIDENT = "INCIDENT"
    COMPLAINT = "COMPLAINT"
    SERVICE_CHANGE = "SERVICE_CHANGE"


class CaseState(OpenEnum):
    """State of a case."""

    NEW = "NEW"
    OPEN = "OPEN"
    WAITING_CUSTOMER = "WAITING_CUSTOMER"
    WAITING_THIRD_PARTY = "WAITING_THIRD_PARTY"
    SCHEDULED = "SCHEDULED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"
    MERGED = "MERGED"
    CANCELLED = "CANCELLED"


class CaseClosing(OpenEnum):
    """Way in which an episode closed. Silence is no satisfaction."""

    CONFIRMED = "CONFIRMED"
    SILENT_CLOSE = "SILENT_CLOSE"


class CancelReason(OpenEnum):
    """Reason for which a case is cancelled."""

    DUPLICATE = "DUPLICATE"
    SPAM = "SPAM"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEpisode:
    """One round of a case, from its opening or reopening until it closes or comes back."""

    number: int = 1
    open_time: datetime
    reopen_reason: str = ""
    resolved_time: datetime | None = None
    cause: str = ""
    explanation: str = ""
    """Words in which the customer is told the outcome."""
    close_time: datetime | None = None
    closing: CaseClosing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOwnership:
    """Stretch of time in which an owner of a team answered for a case."""

    owner: str
    team: str = ""
    since_time: datetime
    until_time: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLoan:
    """Work that another agent does for the owner, who goes on to answer for the case."""

    agent_id: str
    note: str
    """Handover: state of things, and the work that is asked for."""
    since_time: datetime
    until_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistItem:
    """Something to do before a case is resolved."""

    id: str
    text: str
    optional: bool = False
    """Set when the case may be resolved without it."""
    done_time: datetime | None = None
    done_by: str = ""
    """Whoever did it, or waived it."""
    waive_reason: str = ""
    """Reason for which somebody with the authority let it go. Empty of an item that was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWish:
    """Wish of the customer, taken at any stage."""

    text: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPromise:
    """Promise about a case that is neither kept nor made good."""

    id: str
    due_time: datetime
