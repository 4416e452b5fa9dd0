"""The machine of a case, and all that is done to it.

There is one way from state to state, `_move`, and it asks the guards of the state that is entered. Whoever resolves a
case, be it an agent, a macro, a robot or a bulk change, says which promises are open, or cannot call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final

from services.interactions.cases.domain.parts import (
    CancelReason,
    CaseClosing,
    CaseEpisode,
    CaseEventKind,
    CaseLink,
    CaseLoan,
    CaseOwnership,
    CaseState,
    CaseType,
    CaseWish,
    ChecklistItem,
    OpenPromise,
)
from services.interactions.cases.domain.priority import CasePolicy, PriorityMatrix
from services.interactions.cases.domain.refusals import (
    CaseEnded,
    CaseIncomplete,
    CaseMerged,
    CaseMoveForbidden,
    CaseOnLoan,
    CasePartUnknown,
    CaseStillWaits,
    CaseTextMissing,
)
from services.interactions.clocks.domain.clocks import MessageKind

NEW, OPEN, WAITING_CUSTOMER, WAITING_THIRD_PARTY, SCHEDULED, RESOLVED, CLOSED, MERGED, CANCELLED = CaseState
WAITING: Final = frozenset({WAITING_CUSTOMER, WAITING_THIRD_PARTY, SCHEDULED})
ENDED: Final = frozenset({MERGED, CANCELLED})
_ANY: Final = frozenset({MERGED, CANCELLED})
MOVES: Final = {
    NEW: _ANY | {OPEN},
    OPEN: _ANY | WAITING | {RESOLVED},
    WAITING_CUSTOMER: _ANY | {OPEN},
    WAITING_THIRD_PARTY: _ANY | {OPEN},
    SCHEDULED: _ANY | {OPEN},
    RESOLVED: _ANY | {OPEN, CLOSED},
    CLOSED: _ANY | {OPEN},
}
"""State → the states that follow it. From MERGED and CANCELLED nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """A fact about a case, with the case as it is after it."""

    kind: CaseEventKind
    case: Case


CaseChange = tuple["Case", tuple[CaseEvent, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Something that a customer needs done, with one owner who answers for it until the customer is satisfied."""

    ID_PREFIX: ClassVar[str] = "cas"

    id: str
    customer_id: str
    subject: str
    type: CaseType
    began_as: CaseType | None = None
    """Its type before it became a complaint."""
    topic: str = ""
    impact: int = 3
    urgency: int = 3
    priority: int
    """1 is the highest."""
    level: int = 1
    """Level of support. It is raised when a case keeps coming back."""
    level_raised_time: datetime | None = None
    chased_time: datetime | None = None
    """Time of the first message that the customer had to send while an answer was owed."""
    state: CaseState = NEW
    state_time: datetime
    episodes: tuple[CaseEpisode, ...]
    ownership: tuple[CaseOwnership, ...] = ()
    loans: tuple[CaseLoan, ...] = ()
    swarm: frozenset[str] = frozenset()
    """Agents who work on it together with the owner."""
    checklist: tuple[ChecklistItem, ...] = ()
    links: frozenset[CaseLink] = frozenset()
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
    matrix: PriorityMatrix = field(default_factory=PriorityMatrix)

    @classmethod
    def open(
        cls,
        id: str,
        *,
        customer_id: str,
        subject: str,
        type: CaseType,
        now: datetime,
        impact: int = 3,
        urgency: int = 3,
        matrix: PriorityMatrix | None = None,
        **rest: Any,
    ) -> CaseChange:
        """A new case, with the priority of its impact and urgency."""
        matrix = matrix or PriorityMatrix()
        case = cls(
            id=id,
            customer_id=customer_id,
            subject=_text("subject", subject),
            type=type,
            impact=impact,
            urgency=urgency,
            matrix=matrix,
            priority=matrix.priority(impact, urgency),
            state_time=now,
            episodes=(CaseEpisode(open_time=now),),
            **rest,
        )
        return case, (CaseEvent(kind=CaseEventKind.OPENED, case=case),)

    @property
    def episode(self) -> CaseEpisode:
        """The present episode."""
        return self.episodes[-1]

    @property
    def owner(self) -> str:
        """The agent who answers for it. Empty while nobody does, which only a new case may be."""
        return self.ownership[-1].owner if self.ownership else ""

    @property
    def team(self) -> str:
        """The team of its owner."""
        return self.ownership[-1].team if self.ownership else ""

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

    # The machine

    def start(self, now: datetime) -> CaseChange:
        """Work goes on: a new case begins, a waiting one resumes. Without an owner it does not."""
        if self.state is not NEW and self.state not in WAITING:
            raise self._forbidden(OPEN)
        return self._move(OPEN, now, next_step="", next_time=None)

    def wait(self, state: CaseState, next_step: str, next_time: datetime, now: datetime) -> CaseChange:
        """Waits for somebody or for a date. The customer is told the next step and its time."""
        if state not in WAITING:
            raise self._forbidden(state)
        return self._move(state, now, next_step=_text("next_step", next_step), next_time=next_time)

    def resolve(self, cause: str, explanation: str, now: datetime, *, promises: Sequence[OpenPromise]) -> CaseChange:
        """Done, in the eyes of the company. `promises` are those about it that are neither kept nor made good."""
        told = replace(self.episode, cause=cause.strip(), explanation=explanation.strip(), resolved_time=now)
        episodes = (*self.episodes[:-1], told)
        return self._move(RESOLVED, now, promises=promises, episodes=episodes, next_step="", next_time=None)

    def confirm(self, now: datetime) -> CaseChange:
        """The customer says that it is done. After a silent close this is still told, and changes no state."""
        if self.state is CLOSED and self.confirmed_time is None:
            return self._change(CaseEventKind.CONFIRMED, confirmed_time=now)
        return self._move(CLOSED, now, confirmed_time=now, episodes=self._closed(CaseClosing.CONFIRMED, now))

    def close_silently(self, now: datetime, policy: CasePolicy) -> CaseChange:
        """Closed because the customer said nothing for the days of grace. This is no satisfaction."""
        resolved = self.resolved_time
        if self.state is RESOLVED and resolved is not None and now < resolved + policy.grace:
            raise CaseStillWaits(case_id=self.id, until_time=resolved + policy.grace)
        return self._move(CLOSED, now, episodes=self._closed(CaseClosing.SILENT_CLOSE, now))

    def reopen(self, reason: str, now: datetime, policy: CasePolicy) -> CaseChange:
        """The same case in a new episode. Within its window only: see `relations.come_back`."""
        self._alive()
        if self.state not in {RESOLVED, CLOSED} or not self.is_within_window(now, policy):
            raise self._forbidden(OPEN)
        episode = CaseEpisode(number=len(self.episodes) + 1, open_time=now, reopen_reason=_text("reason", reason))
        episodes = (*self.episodes, episode)
        case, events = self._move(OPEN, now, episodes=episodes, confirmed_time=None)
        if case.reopenings >= policy.raise_at_reopen and case.level_raised_time is None:
            case = replace(case, level=case.level + 1, level_raised_time=now)
            events = (*events, CaseEvent(kind=CaseEventKind.LEVEL_RAISED, case=case))
        return case, events

    def cancel(self, reason: CancelReason, now: datetime) -> CaseChange:
        """Opened by mistake: a duplicate, or spam."""
        return self._move(CANCELLED, now, cancel_reason=reason, loans=self._returned(now), swarm=frozenset())

    def absorb_into(self, survivor_id: str, now: datetime) -> CaseChange:
        """Merged into another case: see `relations.merge`."""
        return self._move(MERGED, now, merged_into=survivor_id, loans=self._returned(now), swarm=frozenset())

    def is_within_window(self, now: datetime, policy: CasePolicy) -> bool:
        """True while it comes back as the same case."""
        return self.resolved_time is not None and now <= self.resolved_time + policy.reopen_window

    def hear(self, kind: MessageKind, now: datetime, policy: CasePolicy) -> CaseChange:
        """A message of the customer. Thanks, notes and auto-replies change nothing.

        Anything else resumes a case that waits for the customer, and reopens a resolved one within its window.
        """
        if kind is not MessageKind.CUSTOMER or self.state in ENDED:
            return self, ()
        if self.state is WAITING_CUSTOMER:
            return self.start(now)
        if self.state in {RESOLVED, CLOSED} and self.is_within_window(now, policy):
            return self.reopen("the customer wrote again", now, policy)
        return self, ()

    # Priority and type

    def classify(self, impact: int, urgency: int) -> CaseChange:
        """Another impact or urgency, and the priority that follows from them."""
        self._alive()
        priority = self.matrix.priority(impact, urgency) - (self.chased_time is not None)
        return self._change(CaseEventKind.PRIORITY_CHANGED, impact=impact, urgency=urgency, priority=max(1, priority))

    def chase(self, now: datetime) -> CaseChange:
        """The customer had to ask again while an answer was owed: the first time raises the priority by one."""
        self._alive()
        if self.chased_time is not None:
            return self, ()
        return self._change(CaseEventKind.PRIORITY_CHANGED, chased_time=now, priority=max(1, self.priority - 1))

    def convert_to_complaint(self) -> CaseChange:
        """The question or annoyance has grown into a complaint. It remembers its beginning."""
        self._alive()
        if self.type is CaseType.COMPLAINT:
            return self, ()
        return self._change(CaseEventKind.CONVERTED, type=CaseType.COMPLAINT, began_as=self.type)

    # People

    def assign(self, owner: str, now: datetime, *, team: str = "", reason: str = "") -> CaseChange:
        """Another owner answers for it from now on. The stretch of the former one is kept."""
        self._alive()
        if owner == self.owner and team == self.team and self.ownership:
            return self, ()
        former = [replace(each, until_time=each.until_time or now) for each in self.ownership]
        taken = CaseOwnership(owner=_text("owner", owner), team=team, since_time=now, reason=reason)
        return self._change(CaseEventKind.OWNER_CHANGED, ownership=(*former, taken))

    def lend(self, agent_id: str, note: str, now: datetime) -> CaseChange:
        """Another agent works on it, with a note of handover. The owner stays the owner."""
        self._alive()
        if not self.owner:
            raise CaseIncomplete(case_id=self.id, to="LENT", missing=("owner",))
        if self.loan is not None:
            raise CaseOnLoan(case_id=self.id, agent_id=self.loan.agent_id)
        loan = CaseLoan(agent_id=_text("agent_id", agent_id), note=_text("note", note), since_time=now)
        return self._change(CaseEventKind.LENT, loans=(*self.loans, loan))

    def take_back(self, now: datetime) -> CaseChange:
        """The loan comes back to the owner."""
        if self.loan is None:
            raise CasePartUnknown(case_id=self.id, part="loan", value="to take back")
        return self._change(CaseEventKind.RETURNED, loans=self._returned(now))

    def join_swarm(self, agent_id: str) -> CaseChange:
        """One agent more works on it together with the owner."""
        self._alive()
        return self._details(swarm=self.swarm | {_text("agent_id", agent_id)})

    def leave_swarm(self, agent_id: str) -> CaseChange:
        """One agent fewer."""
        if agent_id not in self.swarm:
            raise CasePartUnknown(case_id=self.id, part="swarm member", value=agent_id)
        return self._details(swarm=self.swarm - {agent_id})

    # Checklist, links and wishes

    def require(self, item: ChecklistItem) -> CaseChange:
        """One item more on the checklist."""
        self._alive()
        if any(each.id == item.id for each in self.checklist):
            return self, ()
        return self._details(checklist=(*self.checklist, replace(item, text=_text("text", item.text))))

    def tick(self, item_id: str, by: str, now: datetime) -> CaseChange:
        """An item of the checklist is done."""
        self._alive()
        if item_id not in {each.id for each in self.checklist}:
            raise CasePartUnknown(case_id=self.id, part="checklist item", value=item_id)
        ticked = (
            replace(each, done_time=now, done_by=by) if each.id == item_id and each.done_time is None else each
            for each in self.checklist
        )
        return self._details(checklist=tuple(ticked))

    def link(self, *links: CaseLink) -> CaseChange:
        """It is about these things too."""
        self._alive()
        return self._details(links=self.links | set(links))

    def unlink(self, *links: CaseLink) -> CaseChange:
        """It is not about these things any longer."""
        self._alive()
        if unknown := sorted(link.id for link in set(links) - self.links):
            raise CasePartUnknown(case_id=self.id, part="link", value=unknown[0])
        return self._details(links=self.links - set(links))

    def wish(self, text: str, now: datetime) -> CaseChange:
        """The customer adds a wish, at whatever stage."""
        self._alive()
        return self._details(wishes=(*self.wishes, CaseWish(text=_text("text", text), time=now)))

    # Steps that all of these take

    def _move(
        self, to: CaseState, now: datetime, *, promises: Sequence[OpenPromise] | None = None, **changes: Any
    ) -> CaseChange:
        self._alive()
        if to not in MOVES.get(self.state, ()):
            raise self._forbidden(to)
        moved = replace(self, state=to, state_time=now, **changes)
        if missing := _missing(moved, promises, now):
            raise CaseIncomplete(case_id=self.id, to=to, missing=missing)
        kind = _TOLD.get(to, CaseEventKind.STATE_CHANGED)
        if to is OPEN and moved.reopenings > self.reopenings:
            kind = CaseEventKind.REOPENED
        return moved, (CaseEvent(kind=kind, case=moved),)

    def _alive(self) -> None:
        if self.state is MERGED:
            raise CaseMerged(case_id=self.id, survivor_id=self.merged_into)
        if self.state in ENDED:
            raise CaseEnded(case_id=self.id, state=self.state)

    def _forbidden(self, to: CaseState) -> CaseMoveForbidden:
        allowed = tuple(sorted(MOVES.get(self.state, ())))
        return CaseMoveForbidden(case_id=self.id, state=self.state, to=to, allowed=allowed)

    def _closed(self, closing: CaseClosing, now: datetime) -> tuple[CaseEpisode, ...]:
        return (*self.episodes[:-1], replace(self.episode, close_time=now, closing=closing))

    def _returned(self, now: datetime) -> tuple[CaseLoan, ...]:
        return tuple(replace(loan, until_time=loan.until_time or now) for loan in self.loans)

    def _details(self, **changes: Any) -> CaseChange:
        return self._change(CaseEventKind.DETAILS_CHANGED, **changes)

    def _change(self, kind: CaseEventKind, **changes: Any) -> CaseChange:
        case = replace(self, **changes)
        return (case, (CaseEvent(kind=kind, case=case),)) if case != self else (self, ())


_TOLD: Final = {
    RESOLVED: CaseEventKind.RESOLVED,
    CLOSED: CaseEventKind.CLOSED,
    MERGED: CaseEventKind.MERGED,
    CANCELLED: CaseEventKind.CANCELLED,
}


def _text(name: str, value: str) -> str:
    if not value.strip():
        raise CaseTextMissing(text=name)
    return value.strip()


def _missing(case: Case, promises: Sequence[OpenPromise] | None, now: datetime) -> tuple[str, ...]:
    """The guards of its state that a case does not meet."""
    missing = []
    if case.state not in ENDED | {NEW} and not case.owner:
        missing.append("owner")
    if case.state is RESOLVED:
        missing += [name for name in ("cause", "explanation") if not getattr(case.episode, name)]
        undone = (item for item in case.checklist if item.mandatory and item.done_time is None)
        missing += [f"checklist {item.id}" for item in undone]
        if promises is None:
            missing.append("promises")
        missing += [f"promise {each.id}" for each in promises or () if each.due_time <= now]
    return tuple(missing)
