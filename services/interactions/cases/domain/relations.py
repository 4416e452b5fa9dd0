"""Cases and each other: merging, splitting, coming back after the window, and how many grow into complaints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from libs.chassis.domain import Change
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.events import CaseDivided, CaseUpdated
from services.interactions.cases.domain.parts import CaseType
from services.interactions.cases.domain.record import DONE, ENDED
from services.interactions.cases.domain.refusals import CaseEnded, CaseMerged, CaseOfAnotherCustomer
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.timeline.domain import Link


def merge(absorbed: Case, survivor: Case, now: datetime, *, same_customer: bool) -> tuple[Change[Case], Change[Case]]:
    """Two cases about the same: (change of the absorbed one, change of the survivor).

    The survivor takes links, wishes, undone work and the more urgent priority. Callers say whether both belong to one
    customer, be it one that others were merged into.
    """
    if survivor.merged_into:
        raise CaseMerged(case_id=survivor.id, survivor_id=survivor.merged_into)
    if survivor.id == absorbed.id or survivor.state in ENDED:
        raise CaseEnded(case_id=survivor.id, state=survivor.state)
    if not same_customer:
        raise CaseOfAnotherCustomer(case_id=absorbed.id, other_id=survivor.id)
    known = {item.id for item in survivor.checklist}
    undone = tuple(item for item in absorbed.checklist if item.done_time is None and item.id not in known)
    kept = replace(
        survivor,
        links=tuple(dict.fromkeys((*survivor.links, *absorbed.links))),
        wishes=tuple(sorted((*survivor.wishes, *absorbed.wishes), key=lambda wish: wish.time)),
        checklist=survivor.checklist + (undone if survivor.state not in DONE else ()),
        priority=min(survivor.priority, absorbed.priority),
        level=max(survivor.level, absorbed.level),
    )
    return absorbed.absorb_into(survivor.id, now), survivor.became(kept, CaseUpdated)


def split(
    case: Case,
    id: str,
    subject: str,
    links: Iterable[Link],
    now: datetime,
    *,
    terms: CaseTerms,
    clocks: ServiceClocks | None = None,
) -> tuple[Change[Case], Change[Case]]:
    """A second matter becomes a case of its own: (change of the rest, the new one).

    The links move with it. The owner answers for both until one of them is assigned.
    """
    moved = tuple(links)
    rest, _ = case.link(removes=moved)
    second = replace(_beginning(case, id), subject=subject, links=moved, split_from=case.id)
    return (rest, [CaseDivided(case=rest)]), second.open(terms, now=now, clocks=clocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReturn:
    """Result of a case that comes back: the same one reopened, or one that follows it."""

    case: Case
    reopened: Change[Case] | None = None
    follow_up: Change[Case] | None = None


def come_back(
    case: Case,
    new_id: str,
    reason: str,
    now: datetime,
    *,
    terms: CaseTerms,
    clocks: ServiceClocks | None = None,
) -> CaseReturn:
    """The customer comes back: within the window the same case, after it a new one that is linked to it."""
    if case.state not in DONE or case.is_within_window(now, terms):
        return CaseReturn(case=case, reopened=case.reopen(reason, now, terms))
    links = (*case.links[-FOLLOWED_LINKS:], Link(kind="case", id=case.id))
    draft = replace(_beginning(case, new_id), links=links, follows=case.id, level=case.level)
    return CaseReturn(case=case, follow_up=draft.open(terms, now=now, clocks=clocks))


FOLLOWED_LINKS = 100
"""Latest links of a case that go on to the one that follows it."""


def _beginning(case: Case, id: str) -> Case:
    """A draft with the customer, owner and classification of another case."""
    return Case(
        id=id,
        customer_id=case.customer_id,
        subject=case.subject,
        type=case.type,
        topic=case.topic,
        impact=case.impact,
        urgency=case.urgency,
        owner=case.owner,
        team=case.team,
    )


def conversion_rate(cases: Iterable[Case]) -> float | None:
    """Share of the cases that began as something else and grew into complaints. None when none began so."""
    began = [
        case for case in cases if case.state not in ENDED and (case.began_as or case.type) is not CaseType.COMPLAINT
    ]
    return sum(case.began_as is not None for case in began) / len(began) if began else None
