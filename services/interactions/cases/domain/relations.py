"""Cases and each other: merging, splitting, coming back after the window, and how many grow into complaints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from services.interactions.cases.domain.cases import ENDED, Case, CaseEvent
from services.interactions.cases.domain.parts import CaseEventKind, CaseLink, CaseState, CaseType
from services.interactions.cases.domain.priority import CasePolicy
from services.interactions.cases.domain.refusals import CaseEnded, CaseOfAnotherCustomer


def merge(absorbed: Case, survivor: Case, now: datetime) -> tuple[Case, Case, tuple[CaseEvent, ...]]:
    """Two cases about the same: (the absorbed one, the survivor, events).

    The survivor takes links, wishes, undone work and the more urgent priority. Both belong to one customer: callers
    pass the ids of survivors of merged customers.
    """
    if survivor.id == absorbed.id or survivor.state in ENDED:
        raise CaseEnded(case_id=survivor.id, state=survivor.state)
    if absorbed.customer_id != survivor.customer_id:
        raise CaseOfAnotherCustomer(case_id=absorbed.id, other_id=survivor.id)
    gone, events = absorbed.absorb_into(survivor.id, now)
    known = {item.id for item in survivor.checklist}
    undone = tuple(item for item in absorbed.checklist if item.done_time is None and item.id not in known)
    kept = replace(
        survivor,
        links=survivor.links | absorbed.links,
        wishes=tuple(sorted((*survivor.wishes, *absorbed.wishes), key=lambda wish: wish.time)),
        checklist=survivor.checklist + (undone if survivor.state not in _DONE else ()),
        priority=min(survivor.priority, absorbed.priority),
        level=max(survivor.level, absorbed.level),
    )
    return gone, kept, (*events, CaseEvent(kind=CaseEventKind.DETAILS_CHANGED, case=kept))


_DONE = frozenset({CaseState.RESOLVED, CaseState.CLOSED})


def split(
    case: Case, id: str, subject: str, links: Iterable[CaseLink], now: datetime
) -> tuple[Case, Case, tuple[CaseEvent, ...]]:
    """A second matter becomes a case of its own: (the rest, the new one, events).

    The links move with it. The owner answers for both until one of them is assigned.
    """
    moved = frozenset(links)
    rest, _ = case.unlink(*moved)
    opened, events = Case.open(
        id,
        customer_id=case.customer_id,
        subject=subject,
        type=case.type,
        topic=case.topic,
        impact=case.impact,
        urgency=case.urgency,
        matrix=case.matrix,
        now=now,
        links=moved,
        split_from=case.id,
        ownership=tuple(replace(each, since_time=now, reason="split") for each in case.ownership[-1:]),
    )
    return rest, opened, (CaseEvent(kind=CaseEventKind.SPLIT, case=rest), *events)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReturn:
    """Result of a case that comes back: the same one reopened, or one that follows it."""

    case: Case
    follow_up: Case | None = None
    events: tuple[CaseEvent, ...] = ()


def come_back(case: Case, new_id: str, reason: str, now: datetime, policy: CasePolicy) -> CaseReturn:
    """The customer comes back: within the window the same case, after it a new one that is linked to it."""
    if case.state not in _DONE or case.is_within_window(now, policy):
        reopened, events = case.reopen(reason, now, policy)
        return CaseReturn(case=reopened, events=events)
    follow_up, events = Case.open(
        new_id,
        customer_id=case.customer_id,
        subject=case.subject,
        type=case.type,
        topic=case.topic,
        impact=case.impact,
        urgency=case.urgency,
        matrix=case.matrix,
        now=now,
        links=case.links | {CaseLink(kind="case", id=case.id)},
        follows=case.id,
        level=case.level,
        ownership=tuple(replace(each, since_time=now, reason="came back") for each in case.ownership[-1:]),
    )
    return CaseReturn(case=case, follow_up=follow_up, events=events)


def conversion_rate(cases: Iterable[Case]) -> float | None:
    """Share of the cases that began as something else and grew into complaints. None when none began so."""
    began = [
        case for case in cases if case.state not in ENDED and (case.began_as or case.type) is not CaseType.COMPLAINT
    ]
    return sum(case.began_as is not None for case in began) / len(began) if began else None
