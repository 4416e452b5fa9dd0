"""Guards of the states of a case, and all that its clocks are told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from libs.worktime.folding import HoursOf
from services.interactions.cases.domain.parts import CaseLoan, CaseState, CaseType, ChecklistItem, OpenPromise
from services.interactions.cases.domain.record import DONE, ENDED, NEW, OPEN, RESOLVED, WAITING, CaseRecord
from services.interactions.cases.domain.refusals import CaseTextMissing
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.timeline.domain import Link


def text(name: str, value: str) -> str:
    """A text without blanks around it. CaseTextMissing for one that says nothing."""
    if not value.strip():
        raise CaseTextMissing(text=name)
    return value.strip()


def union(links: Iterable[Link], more: Iterable[Link]) -> tuple[Link, ...]:
    """Links in their order, each once."""
    return tuple(dict.fromkeys((*links, *more)))


def missing(case: CaseRecord, promises: Sequence[OpenPromise] | None, now: datetime) -> tuple[str, ...]:
    """The guards of its state that a case does not meet."""
    found = []
    if case.state not in ENDED | {NEW} and not case.owner:
        found.append("owner")
    if case.state is RESOLVED:
        found += [name for name in ("cause", "explanation") if not getattr(case.episode, name)]
        found += [f"checklist {item.id}" for item in undone(case.checklist)]
        if promises is None:
            found.append("promises")
        found += [f"promise {each.id}" for each in promises or () if each.due_time <= now]
    return tuple(found)


def undone(checklist: Iterable[ChecklistItem]) -> list[ChecklistItem]:
    """The items that hold a resolution up."""
    return [item for item in checklist if not item.optional and item.done_time is None]


def clocks_after(case: CaseRecord, to: CaseState, now: datetime) -> ServiceClocks | None:
    """The clocks of a case that goes to a state."""
    clocks = case.clocks
    if clocks is None:
        return None
    if to in ENDED:
        return clocks.cancel(clocks.next_id, now)
    if to is RESOLVED:
        return clocks.resolve(clocks.next_id, now)
    if to is OPEN and case.state in DONE:
        return clocks.reopen(clocks.next_id, now)
    if to is OPEN or to in WAITING:
        return clocks.enter(clocks.next_id, to if to in WAITING else "", now)
    return clocks


def closes_by_silence(case: CaseRecord, terms: CaseTerms) -> datetime | None:
    """Time at which silence closes a case. Never a complaint: its customer is reached out to first."""
    if case.state is not RESOLVED or case.type is CaseType.COMPLAINT or case.resolved_time is None:
        return None
    return case.resolved_time + terms.grace


def wakes_at(case: CaseRecord, now: datetime, hours_of: HoursOf, terms: CaseTerms) -> datetime | None:
    """Time at which a clock of a case is to be told next, or silence closes it."""
    told = case.clocks.wake_time(now, hours_of) if case.clocks is not None else None
    return min((each for each in (told, closes_by_silence(case, terms)) if each is not None), default=None)


def wordless(case: CaseRecord) -> dict[str, Any]:
    """The fields that an erasure leaves of those with words."""
    return {
        "subject": "",
        "episodes": tuple(replace(each, reopen_reason="", cause="", explanation="") for each in case.episodes),
        "ownership": tuple(replace(each, reason="") for each in case.ownership),
        "loans": tuple(replace(each, note="") for each in case.loans),
        "checklist": tuple(replace(each, text="", waive_reason="") for each in case.checklist),
        "links": (),
        "wishes": (),
        "next_step": "",
        "erased": True,
    }


def returned(loans: Iterable[CaseLoan], now: datetime) -> tuple[CaseLoan, ...]:
    """Loans that have come back."""
    return tuple(replace(loan, until_time=loan.until_time or now) for loan in loans)
