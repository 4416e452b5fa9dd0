"""The state of a case in words that are fit for customers, with the next step and its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from libs.chassis.domain import OpenEnum
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseState, CaseWish


class PublicPhase(OpenEnum):
    """Phase of a case as its customer sees it."""

    RECEIVED = "RECEIVED"
    IN_PROGRESS = "IN_PROGRESS"
    NEEDS_YOU = "NEEDS_YOU"
    NEEDS_OTHERS = "NEEDS_OTHERS"
    PLANNED = "PLANNED"
    ANSWERED = "ANSWERED"
    FINISHED = "FINISHED"
    CONTINUED_ELSEWHERE = "CONTINUED_ELSEWHERE"
    WITHDRAWN = "WITHDRAWN"


_WORDS = {
    CaseState.NEW: (PublicPhase.RECEIVED, "We have received your request."),
    CaseState.OPEN: (PublicPhase.IN_PROGRESS, "We are working on your request."),
    CaseState.WAITING_CUSTOMER: (PublicPhase.NEEDS_YOU, "We need something from you to go on."),
    CaseState.WAITING_THIRD_PARTY: (PublicPhase.NEEDS_OTHERS, "We are waiting for a partner."),
    CaseState.SCHEDULED: (PublicPhase.PLANNED, "The next step has a date."),
    CaseState.RESOLVED: (PublicPhase.ANSWERED, "We have answered. Please tell us whether it helped."),
    CaseState.CLOSED: (PublicPhase.FINISHED, "Your request is finished."),
    CaseState.MERGED: (PublicPhase.CONTINUED_ELSEWHERE, "We go on with this in another request of yours."),
    CaseState.CANCELLED: (PublicPhase.WITHDRAWN, "This request was withdrawn."),
}
"""State → the phase and the words that a customer sees."""
_UNKNOWN = _WORDS[CaseState.OPEN]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicStatus:
    """All that a customer sees of a case. Nothing internal is on it: no agent, team, note, level or cause."""

    case_id: str
    phase: PublicPhase
    text: str
    since_time: datetime | None
    next_step: str = ""
    next_time: datetime | None = None
    explanation: str = ""
    wishes: tuple[CaseWish, ...] = ()
    continued_in: str = ""


def public_status(case: Case) -> PublicStatus:
    """The case as its customer sees it."""
    phase, text = _WORDS.get(case.state, _UNKNOWN)
    answered = case.state in {CaseState.RESOLVED, CaseState.CLOSED}
    return PublicStatus(
        case_id=case.id,
        phase=phase,
        text=text,
        since_time=case.state_time or case.create_time,
        next_step=case.next_step,
        next_time=case.next_time,
        explanation=case.episode.explanation if answered else "",
        wishes=case.wishes,
        continued_in=case.merged_into,
    )
