"""Answers about touches: what a program would do, and why something was not sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.care.customers.domain.permission import Finding, Reason
from services.care.customers.domain.projection import Channel
from services.care.programs.domain.plans import Form
from services.care.touches.domain.touches import Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Reasons against a touch: as they were stored, and as they would be now."""

    touch: Touch
    findings_now: tuple[Finding, ...] = ()
    next_permitted_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A touch that would come to one customer, or not."""

    customer_id: str
    occasion: str
    planned_time: datetime
    send_time: datetime | None
    time_zone: str
    form: Form
    channel: Channel
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Number of times that a reason is against a touch."""

    reason: Reason
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Result of a program that is played through."""

    lines: tuple[Line, ...]
    customer_count: int
    audience_count: int
    consent_count: int
    sent_count: int
    suppressed_count: int
    reasons: tuple[Count, ...]
    complete: bool
