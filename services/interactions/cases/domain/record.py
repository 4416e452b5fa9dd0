"""Everything that is kept of a case, and the states that it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from libs.chassis.domain import Entity
from services.interactions.cases.domain.parts import (
    CancelReason,
    CaseEpisode,
    CaseLoan,
    CaseOwnership,
    CaseState,
    CaseType,
    CaseWish,
    ChecklistItem,
)
from services.interactions.clocks.domain.clocks import ServiceClocks
from services.interactions.timeline.domain import Link

NEW, OPEN, WAITING_CUSTOMER, WAITING_THIRD_PARTY, SCHEDULED, RESOLVED, CLOSED, MERGED, CANCELLED = CaseState
WAITING: Final = frozenset({WAITING_CUSTOMER, WAITING_THIRD_PARTY, SCHEDULED})
DONE: Final = frozenset({RESOLVED, CLOSED})
ENDED: Final = frozenset({MERGED, CANCELLED})
MOVES: Final = {
    NEW: ENDED | {OPEN},
    OPEN: ENDED | WAITING | {RESOLVED},
    WAITING_CUSTOMER: ENDED | {OPEN},
    WAITING_THIRD_PARTY: ENDED | {OPEN},
    SCHEDULED: ENDED | {OPEN},
    RESOLVED: ENDED | {OPEN, CLOSED},
    CLOSED: ENDED | {OPEN},
}
"""State → the states that follow it. From MERGED and CANCELLED nothing does."""
LIVE: Final = frozenset(MOVES) - DONE
"""States in which something is left to do, and clocks may run."""
USUAL: Final = 3
"""Impact and urgency of a case of which nobody said more."""
BOUNDS: Final = {
    "episodes": 200,
    "ownership": 1000,
    "loans": 200,
    "swarm": 50,
    "checklist": 100,
    "links": 200,
    "wishes": 200,
}
"""Part → the number of them that a case has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord(Entity):
    """Everything that is kept of a case."""

    ID_PREFIX: ClassVar[str] = "cas"

    customer_id: str = ""
    subject: str
    type: CaseType
    began_as: CaseType | None = None
    """Its type before it became a complaint."""
    topic: str = ""
    impact: int = 0
    urgency: int = 0
    priority: int = 0
    """1 is the highest."""
    level: int = 1
    """Level of support. It is raised when a case keeps coming back."""
    level_raised_time: datetime | None = None
    chased_time: datetime | None = None
    """Time of the first message that the customer had to send while an answer was owed."""
    state: CaseState = NEW
    state_time: datetime | None = None
    open_time: datetime | None = None
    episodes: tuple[CaseEpisode, ...] = ()
    owner: str = ""
    """Agent who answers for it. Empty while nobody does, which only a new case may be."""
    team: str = ""
    ownership: tuple[CaseOwnership, ...] = ()
    loans: tuple[CaseLoan, ...] = ()
    swarm: tuple[str, ...] = ()
    """Agents who work on it together with the owner."""
    checklist: tuple[ChecklistItem, ...] = ()
    links: tuple[Link, ...] = ()
    wishes: tuple[CaseWish, ...] = ()
    next_step: str = ""
    """Step that comes next, in words for the customer."""
    next_time: datetime | None = None
    merged_into: str = ""
    split_from: str = ""
    follows: str = ""
    """Id of the case that came back as this one, after its window."""
    cancel_reason: CancelReason | None = None
    confirmed_time: datetime | None = None
    source_key: str = ""
    problem_id: str = ""
    clocks: ServiceClocks | None = None
    wake_time: datetime | None = None
    """Time at which a clock is told or silence closes it. Absent when nothing comes."""
    erased: bool = False

    @property
    def episode(self) -> CaseEpisode:
        """The present episode."""
        return self.episodes[-1]

    @property
    def loan(self) -> CaseLoan | None:
        """The loan that has not come back."""
        return self.loans[-1] if self.loans and self.loans[-1].until_time is None else None

    @property
    def reassignments(self) -> int:
        """Number of times that it changed its owner or team."""
        return max(len(self.ownership) - 1, 0)

    @property
    def reopenings(self) -> int:
        """Number of times that it came back."""
        return len(self.episodes) - 1

    @property
    def first_resolved_time(self) -> datetime | None:
        """Time of its first resolution, which no reopening changes."""
        return self.episodes[0].resolved_time

    @property
    def resolved_time(self) -> datetime | None:
        """Time of its last resolution, which stands only while it is resolved or closed."""
        return self.episode.resolved_time
