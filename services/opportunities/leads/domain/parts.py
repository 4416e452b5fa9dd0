"""Parts of a lead: its states and reasons, ways to reach it, who got it, and its response clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from libs.chassis.domain import OpenEnum


class LeadKind(OpenEnum):
    """Kind of a lead."""

    PERSON = "PERSON"
    ORGANISATION = "ORGANISATION"


class LeadState(OpenEnum):
    """State of a lead."""

    NEW = "NEW"
    ASSIGNED = "ASSIGNED"
    CONTACTED = "CONTACTED"
    QUALIFIED = "QUALIFIED"
    CONVERTED = "CONVERTED"
    RECYCLED = "RECYCLED"
    DISQUALIFIED = "DISQUALIFIED"


OPEN_STATES: Final = (LeadState.NEW, LeadState.ASSIGNED, LeadState.CONTACTED, LeadState.QUALIFIED)
"""States in which somebody works on a lead, or is to."""
CLOSED_STATES: Final = (LeadState.CONVERTED, LeadState.DISQUALIFIED)
"""States in which the outcome of a lead is known."""


class DisqualifyReason(OpenEnum):
    """Reason for giving a lead up."""

    NO_NEED = "NO_NEED"
    NO_BUDGET = "NO_BUDGET"
    NO_AUTHORITY = "NO_AUTHORITY"
    UNREACHABLE = "UNREACHABLE"
    DUPLICATE = "DUPLICATE"
    SPAM = "SPAM"
    REFUSED = "REFUSED"
    OTHER = "OTHER"


class LeadPointType(OpenEnum):
    """Kind of a way to reach a lead."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    MESSENGER = "MESSENGER"


class LeadOrder(OpenEnum):
    """Order in which leads are listed."""

    NEWEST = "NEWEST"
    BEST = "BEST"


class AgentVerdict(OpenEnum):
    """Reason for which a rule passed an agent over."""

    TERRITORY = "TERRITORY"
    SKILL = "SKILL"
    ABSENT = "ABSENT"
    FULL = "FULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadPoint:
    """A way to reach a lead."""

    type: LeadPointType
    value: str
    region_code: str = ""

    @property
    def key(self) -> str:
        """The same for every way of writing the address, and for the customer that profiles makes of it."""
        return point_key(self.type, _phone(self) if self.type is LeadPointType.PHONE else self.value)


def point_key(type: str, canonical: str) -> str:
    """The key of a way to reach somebody, by which a lead is found again."""
    return f"{type}:{canonical.strip().casefold()}"


def _phone(point: LeadPoint) -> str:
    """A telephone number in E.164 form, or as it was written when it is none."""
    import phonenumbers

    try:
        number = phonenumbers.parse(point.value, point.region_code or None)
    except phonenumbers.NumberParseException:
        return point.value
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedAgent:
    """An agent whom a rule passed over."""

    member: str
    verdict: AgentVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Decision about who answers for a lead."""

    decide_time: datetime
    rule_id: str = ""
    rule_revision: int = 0
    actor: str = ""
    eligible: int = 0
    passed: tuple[PassedAgent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseClock:
    """Time until somebody tries to reach a lead, counted in working hours."""

    start_time: datetime
    target: timedelta | None = None
    calendar_id: str = ""
    due_time: datetime | None = None
    attempt_time: datetime | None = None
    spent: timedelta | None = None
    breached: bool = False
