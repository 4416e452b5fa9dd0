"""The history of a deal: a row for every change of its facts, from which any past state is rebuilt.

It has two times. A row tells when a change took effect and when it was recorded, so one may ask what was so on a day,
and what was known of that day at another.

The latest rows stand in the deal itself, so a change of a deal is one write. When they become many, the earlier ones
are filed in a collection of their own. A row may be in both places for a while: its number tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from libs.chassis.domain import Entity, Open, OpenEnum
from services.opportunities.deals.domain.terms import Money, Recurring


class DealState(OpenEnum):
    """State of a deal."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class ChangeKind(OpenEnum):
    """Kind of a change of a deal."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    MOVED = "MOVED"
    WON = "WON"
    LOST = "LOST"
    REOPENED = "REOPENED"
    PROBABILITY_SET = "PROBABILITY_SET"


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFacts:
    """All that a forecast asks of a deal."""

    state: DealState
    stage: str
    amount: Money | None = None
    recurring: Recurring | None = None
    close_date: date | None = None
    probability_basis_points: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStamp:
    """The number of a change of facts, with what was done, when and by whom."""

    number: int
    kind: ChangeKind
    effective_time: datetime
    record_time: datetime
    actor: str
    waived: bool = False
    """True when criteria were waived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """A change that others followed, with the facts after it."""

    stamp: ChangeStamp
    facts: DealFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class DealChange(Entity):
    """A row of the history: the facts after a change. Never changed itself."""

    ID_PREFIX: ClassVar[str] = "dch"

    deal_id: str
    number: int
    kind: ChangeKind
    effective_time: datetime
    record_time: datetime
    actor: Open[str]
    waived: bool = False
    facts: DealFacts

    @classmethod
    def of(cls, deal_id: str, stamp: ChangeStamp, facts: DealFacts) -> DealChange:
        """The row of a change of a deal. Its id is given by whoever stores it."""
        return cls(
            id="",
            deal_id=deal_id,
            number=stamp.number,
            kind=stamp.kind,
            effective_time=stamp.effective_time,
            record_time=stamp.record_time,
            actor=stamp.actor,
            waived=stamp.waived,
            facts=facts,
        )


def facts_at(rows: Iterable[DealChange], effective: datetime, known: datetime) -> DealFacts | None:
    """The facts that held at one time, as far as they were known at another. None before the deal was there.

    Both times of the rows of a deal never fall with their number, so the last row that was there tells all.
    """
    held = [each for each in rows if each.effective_time <= effective and each.record_time <= known]
    return max(held, key=lambda each: each.number).facts if held else None
