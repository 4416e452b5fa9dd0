"""Touches that another service asks for, and the answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import Event, OpenEnum
from services.care.customers.domain.permission import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A wish of another service that something comes to a customer. It happens once for its key."""

    key: str
    ref: str
    value: str
    customer_id: str
    expire_time: datetime | None = None
    survey_token: str = ""


class Outcome(OpenEnum):
    """Fate of a touch that another service asked for."""

    SENT = "SENT"
    SUPPRESSED = "SUPPRESSED"
    LAPSED = "LAPSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered(Event):
    """Answers another service that asked for a touch, when its fate is known."""

    request_ref: str
    touch_id: str
    customer_id: str
    outcome: Outcome
    reasons: Sequence[Reason] = ()
    answer_time: datetime
