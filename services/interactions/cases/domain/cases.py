"""The machine of a case, and all that is done to it.

There is one way from state to state, `_move`, and it asks the guards of the state that is entered and tells the clocks.
Whoever resolves a case, be it an agent, a macro, a robot, a bulk change or an import, says which promises are open, or
cannot call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from libs.chassis.domain import Change, Event
from libs.worktime.folding import HoursOf
from services.interactions.cases.domain.events import (
    CaseAbsorbed,
    CaseCancelled,
    CaseClosed,
    CaseConfirmed,
    CaseConverted,
    CaseErased,
    CaseEvent,
    CaseLent,
    CaseLevelRaised,
    CaseOpened,
    CaseOwnerChanged,
    CasePriorityChanged,
    CaseReopened,
    CaseResolved,
    CaseReturned,
    CaseStateChanged,
    CaseUpdated,
    point_event,
)
from services.interactions.cases.domain.guards import (
    clocks_after,
    closes_by_silence,
    missing,
    returned,
    text,
    undone,
    union,
    wakes_at,
    wordless,
)
from services.interactions.cases.domain.parts import (
    CancelReason,
    CaseClosing,
    CaseEpisode,
    CaseLoan,
    CaseOwnership,
    CaseState,
    CaseType,
    CaseWish,
    ChecklistItem,
    OpenPromise,
)
from services.interactions.cases.domain.record import (
    BOUNDS,
    CANCELLED,
    CLOSED,
    DONE,
    ENDED,
    MERGED,
    MOVES,
    NEW,
    OPEN,
    RESOLVED,
    USUAL,
    WAITING,
    WAITING_CUSTOMER,
    CaseRecord,
)
from services.interactions.cases.domain.refusals import (
    CaseDone,
    CaseEnded,
    CaseFull,
    CaseIncomplete,
    CaseMerged,
    CaseMoveForbidden,
    CaseOnLoan,
    CasePartUnknown,
    CaseStillWaits,
)
from services.interactions.cases.domain.terms import CaseTerms
from services.interactions.clocks.domain.clocks import MessageKind, ReachedPoint, ServiceClocks
from services.interactions.clocks.domain.policies import ServiceMetric, ServicePolicyVersion
from services.interactions.timeline.domain import Link

_OPENING: Final = (ServiceMetric.FIRST_RESPONSE, ServiceMetric.UPDATE, ServiceMetric.RESOLUTION)
"""Metrics that start with a case. A complaint waits for its acknowledgement too."""
_EventOf = Callable[..., "CaseEvent"]
"""Makes the event of a change."""
_WRITTEN: Final = ("subject", "topic", "impact", "urgency", "checklist", "links")
"""Fields of a case that callers write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(CaseRecord):
    """Something that a customer needs done, with one owner who answers for it until the customer is satisfied."""

    # --------------------------------------------------------------------------------------------------- beginning

    def open(self, terms: CaseTerms, *, now: datetime, clocks: ServiceClocks | None = None) -> Change[Case]:
        """This case as a new one, with the priority of its impact and urgency, and its clocks started."""
        impact, urgency = self.impact or USUAL, self.urgency or USUAL
        priority = terms.priority(impact, urgency)
        checklist = {
            item.id: ChecklistItem(id=item.id, text=text("checklist.text", item.text), optional=item.optional)
            for item in self.checklist
        }
        opened = Case(
            id=self.id,
            customer_id=self.customer_id,
            subject=text("subject", self.subject),
            type=self.type,
            topic=self.topic,
            impact=impact,
            urgency=urgency,
            priority=priority,
            level=self.level,
            state_time=now,
            open_time=now,
            episodes=(CaseEpisode(open_time=now),),
            checklist=tuple(checklist.values()),
            links=union(self.links, ()),
            split_from=self.split_from,
            follows=self.follows,
            source_key=self.source_key,
        )
        if self.owner:
            opened = replace(opened, **opened._owned(self.owner, self.team, "", now))
        if clocks is not None:
            metrics = (*_OPENING, ServiceMetric.ACKNOWLEDGEMENT) if self.type is CaseType.COMPLAINT else _OPENING
            opened = replace(opened, clocks=clocks.open(clocks.next_id, now, metrics))
        return opened.tell(CaseOpened)

    # ------------------------------------------------------------------------------------------------- the machine

    def start(self, now: datetime) -> Change[Case]:
        """Work goes on: a new case begins, a waiting one resumes. Without an owner it does not."""
        if self.state is not NEW and self.state not in WAITING:
            raise self.forbidden(OPEN)
        return self._move(OPEN, now, next_step="", next_time=None)

    def wait(self, state: CaseState, next_step: str, next_time: datetime, now: datetime) -> Change[Case]:
        """Waits for somebody or for a date. The customer is told the next step and its time."""
        if state not in WAITING:
            raise self.forbidden(state)
        return self._move(state, now, next_step=text("next_step", next_step), next_time=next_time)

    def resolve(self, cause: str, explanation: str, now: datetime, *, promises: Sequence[OpenPromise]) -> Change[Case]:
        """Done, in the eyes of the company. `promises` are those about it that are neither kept nor made good."""
        self._alive()
        told = replace(self.episode, cause=cause.strip(), explanation=explanation.strip(), resolved_time=now)
        episodes = (*self.episodes[:-1], told)
        return self._move(
            RESOLVED, now, CaseResolved, promises=promises, episodes=episodes, next_step="", next_time=None
        )

    def confirm(self, now: datetime) -> Change[Case]:
        """The customer says that it is done. After a silent close this is still told, and changes no state."""
        if self.state is CLOSED and self.confirmed_time is None:
            return self._change(CaseConfirmed, confirmed_time=now)
        self._alive()
        episodes = self._closed(CaseClosing.CONFIRMED, now)
        return self._move(CLOSED, now, CaseClosed, confirmed_time=now, episodes=episodes)

    def close_silently(self, now: datetime, terms: CaseTerms) -> Change[Case]:
        """Closed because the customer said nothing for the days of grace. This is no satisfaction."""
        resolved = self.resolved_time
        if self.state is RESOLVED and resolved is not None and now < resolved + terms.grace:
            raise CaseStillWaits(case_id=self.id, until_time=resolved + terms.grace)
        return self._move(CLOSED, now, CaseClosed, episodes=self._closed(CaseClosing.SILENT_CLOSE, now))

    def reopen(self, reason: str, now: datetime, terms: CaseTerms) -> Change[Case]:
        """The same case in a new episode. Within its window only: see `relations.come_back`."""
        self._alive()
        if self.state not in DONE or not self.is_within_window(now, terms):
            raise self.forbidden(OPEN)
        episode = CaseEpisode(number=len(self.episodes) + 1, open_time=now, reopen_reason=text("reason", reason))
        episodes = (*self.episodes, episode)
        case, events = self._move(OPEN, now, CaseReopened, episodes=episodes, confirmed_time=None)
        if case.reopenings >= terms.raise_at_reopen and case.level_raised_time is None:
            case = replace(case, level=case.level + 1, level_raised_time=now)
            events = [*events, CaseLevelRaised(case=case)]
        return case, events

    def cancel(self, reason: CancelReason, now: datetime) -> Change[Case]:
        """Opened by mistake: a duplicate, or spam."""
        return self._move(
            CANCELLED, now, CaseCancelled, cancel_reason=reason, loans=returned(self.loans, now), swarm=()
        )

    def absorb_into(self, survivor_id: str, now: datetime) -> Change[Case]:
        """Merged into another case: see `relations.merge`."""
        return self._move(MERGED, now, CaseAbsorbed, merged_into=survivor_id, loans=returned(self.loans, now), swarm=())

    def is_within_window(self, now: datetime, terms: CaseTerms) -> bool:
        """True while it comes back as the same case."""
        return self.resolved_time is not None and now <= self.resolved_time + terms.reopen_window

    def hear(self, id: str, kind: MessageKind, at: datetime, now: datetime, terms: CaseTerms) -> Change[Case]:
        """A message was exchanged. A repeat of its id changes nothing, nor do thanks, notes and auto-replies.

        One of the customer who wants an answer resumes a case that waits for it, reopens a resolved one within its
        window, and raises the priority when an answer was owed already.
        """
        if self.state in ENDED or (self.clocks is not None and id in self.clocks.applied):
            return self, []
        case, events = self, list[Event]()
        if kind is MessageKind.CUSTOMER:
            owed = case.clocks is not None and case.clocks.owes_response(at)
            change: Change[Case] = case, []
            if case.state is WAITING_CUSTOMER:
                change = case.start(now)
            elif case.state in DONE and case.is_within_window(now, terms):
                change = case.reopen("the customer wrote again", now, terms)
            elif owed:
                change = case.chase(now)
            case, events = change[0], [*change[1]]
        if case.clocks is not None and case.state not in DONE:
            heard = replace(case, clocks=case.clocks.hear(id, kind, at))
            moved = heard.clocks is not None and heard.clocks.clocks != case.clocks.clocks
            if moved or events:
                case, events = heard, events or [CaseUpdated(case=heard)]
        return case, events

    # -------------------------------------------------------------------------------------------------- the clock

    def timed(self, now: datetime, hours_of: HoursOf, terms: CaseTerms) -> Case:
        """With the time at which it is to be woken."""
        return replace(self, wake_time=wakes_at(self, now, hours_of, terms))

    def wake(self, now: datetime, hours_of: HoursOf, terms: CaseTerms) -> Change[Case]:
        """Moved on by time: warnings and breaches are told once, silence closes. Nothing when neither is so.

        This is all that a timer calls: the state decides, so however often it calls, each happens once. A complaint is
        not closed here: its customer is reached out to first.
        """
        if self.wake_time is None or self.wake_time > now:
            return self, []
        case, events = self, list[Event]()
        silence = closes_by_silence(self, terms)
        if silence is not None and now >= silence:
            case, told = self.close_silently(now, terms)
            events += told
        reached = list[ReachedPoint]()
        if case.clocks is not None:
            clocks, reached = case.clocks.tell(now, hours_of)
            case = replace(case, clocks=clocks)
        case = case.timed(now, hours_of, terms)
        events += [point_event(case, each) for each in reached]
        return (case, events or [CaseUpdated(case=case)]) if case != self else (self, [])

    # ------------------------------------------------------------------------------------------- priority and type

    def update(
        self, other: Case, terms: CaseTerms, now: datetime, policy: ServicePolicyVersion | None = None
    ) -> Change[Case]:
        """With what was written anew. Another priority gives its clocks the targets of `policy` for it."""
        self._alive()
        ticked = {item.id: item for item in self.checklist}
        checklist = tuple(
            replace(ticked.get(item.id, item), text=text("checklist.text", item.text), optional=item.optional)
            for item in other.checklist
        )
        written = {name: getattr(other, name) for name in _WRITTEN} | {"checklist": self._fit(checklist)}
        updated = replace(self, **written)
        updated = replace(updated, subject=text("subject", updated.subject), links=union(updated.links, ()))
        if (updated.impact, updated.urgency) == (self.impact, self.urgency):
            return self.became(updated, CaseUpdated)
        priority = terms.priority(updated.impact, updated.urgency) - (self.chased_time is not None)
        return self.became(updated.prioritized(max(1, priority), now, policy), CasePriorityChanged)

    def chase(self, now: datetime, policy: ServicePolicyVersion | None = None) -> Change[Case]:
        """The customer had to ask again while an answer was owed: the first time raises the priority by one."""
        self._alive()
        if self.chased_time is not None:
            return self, []
        chased = replace(self, chased_time=now).prioritized(max(1, self.priority - 1), now, policy)
        return self.became(chased, CasePriorityChanged)

    def convert_to_complaint(self, now: datetime) -> Change[Case]:
        """The question or annoyance has grown into a complaint. It remembers its beginning."""
        self._alive()
        if self.type is CaseType.COMPLAINT:
            return self, []
        clocks = self.clocks
        if clocks is not None:
            clocks = clocks.open(clocks.next_id, now, (ServiceMetric.ACKNOWLEDGEMENT,))
        return self._change(CaseConverted, type=CaseType.COMPLAINT, began_as=self.type, clocks=clocks)

    # ------------------------------------------------------------------------------------------------------ people

    def assign(self, owner: str, now: datetime, *, team: str = "", reason: str = "") -> Change[Case]:
        """Another owner answers for it from now on. The stretch of the former one is kept."""
        self._alive()
        if owner == self.owner and team == self.team and self.ownership:
            return self, []
        return self._change(CaseOwnerChanged, **self._owned(text("owner", owner), team, reason, now))

    def lend(self, agent_id: str, note: str, now: datetime) -> Change[Case]:
        """Another agent works on it, with a note of handover. The owner stays the owner."""
        self._alive()
        if not self.owner:
            raise CaseIncomplete(case_id=self.id, to="LENT", missing=("owner",))
        if self.loan is not None:
            raise CaseOnLoan(case_id=self.id, agent_id=self.loan.agent_id)
        loan = CaseLoan(agent_id=text("agent_id", agent_id), note=text("note", note), since_time=now)
        return self._change(CaseLent, loans=(*self.loans, loan))

    def take_back(self, now: datetime) -> Change[Case]:
        """The loan comes back to the owner."""
        if self.loan is None:
            raise CasePartUnknown(case_id=self.id, part="loan", value="to take back")
        return self._change(CaseReturned, loans=returned(self.loans, now))

    def swarm_with(self, joins: Iterable[str] = (), leaves: Iterable[str] = ()) -> Change[Case]:
        """Other agents work on it together with the owner."""
        self._alive()
        left = frozenset(leaves)
        if strangers := sorted(left - {*self.swarm}):
            raise CasePartUnknown(case_id=self.id, part="swarm member", value=strangers[0])
        joined = (text("agent_id", each) for each in joins)
        swarm = dict.fromkeys((*(each for each in self.swarm if each not in left), *joined))
        return self._change(CaseUpdated, swarm=tuple(swarm))

    # ------------------------------------------------------------------------------------ checklist, links, wishes

    def require(self, item: ChecklistItem) -> Change[Case]:
        """One item more on the checklist."""
        self._alive()
        if any(each.id == item.id for each in self.checklist):
            return self, []
        added = ChecklistItem(id=item.id, text=text("text", item.text), optional=item.optional)
        return self._change(CaseUpdated, checklist=self._fit((*self.checklist, added)))

    def tick(self, item_id: str, by: str, now: datetime, *, waive_reason: str = "") -> Change[Case]:
        """An item of the checklist is done, or let go for a reason."""
        self._alive()
        if item_id not in {each.id for each in self.checklist}:
            raise CasePartUnknown(case_id=self.id, part="checklist item", value=item_id)
        ticked = (
            replace(each, done_time=now, done_by=by, waive_reason=waive_reason)
            if each.id == item_id and each.done_time is None
            else each
            for each in self.checklist
        )
        return self._change(CaseUpdated, checklist=tuple(ticked))

    def link(self, adds: Iterable[Link] = (), removes: Iterable[Link] = ()) -> Change[Case]:
        """It is about these things too, and not about those any longer."""
        self._alive()
        gone = frozenset(removes)
        if unknown := sorted(link.id for link in gone - {*self.links}):
            raise CasePartUnknown(case_id=self.id, part="link", value=unknown[0])
        return self._change(CaseUpdated, links=union((each for each in self.links if each not in gone), adds))

    def wish(self, words: str, now: datetime) -> Change[Case]:
        """The customer adds a wish, at whatever stage."""
        self._alive()
        return self._change(CaseUpdated, wishes=(*self.wishes, CaseWish(text=text("text", words), time=now)))

    def join_problem(self, problem_id: str) -> Change[Case]:
        """It is a part of a problem that others have too."""
        self._alive()
        return self._change(CaseUpdated, problem_id=problem_id)

    def erase(self) -> Change[Case]:
        """Without words: states, times and clocks stay for the books."""
        if self.erased:
            return self, []
        left = replace(self, **wordless(self))
        return left, [CaseErased(case=left)]

    # ------------------------------------------------------------------------------------- steps that all of these take

    def _move(
        self,
        to: CaseState,
        now: datetime,
        told_by: _EventOf | None = None,
        *,
        promises: Sequence[OpenPromise] | None = None,
        **changes: Any,
    ) -> Change[Case]:
        self._alive()
        if to not in MOVES.get(self.state, ()):
            raise self.forbidden(to)
        moved = replace(self, state=to, state_time=now, **changes)
        if lacking := missing(moved, promises, now):
            raise CaseIncomplete(case_id=self.id, to=to, missing=lacking)
        moved = replace(moved, clocks=clocks_after(self, to, now))
        return moved.tell(told_by or CaseStateChanged)

    def _alive(self) -> None:
        if self.state is MERGED:
            raise CaseMerged(case_id=self.id, survivor_id=self.merged_into)
        if self.state in ENDED:
            raise CaseEnded(case_id=self.id, state=self.state)

    def forbidden(self, to: CaseState) -> CaseMoveForbidden:
        """The refusal of a move to a state."""
        allowed = tuple(sorted(MOVES.get(self.state, ())))
        return CaseMoveForbidden(case_id=self.id, state=self.state, to=to, allowed=allowed)

    def _closed(self, closing: CaseClosing, now: datetime) -> tuple[CaseEpisode, ...]:
        return (*self.episodes[:-1], replace(self.episode, close_time=now, closing=closing))

    def _fit(self, checklist: tuple[ChecklistItem, ...]) -> tuple[ChecklistItem, ...]:
        """A checklist that the case may have. CaseDone when it is resolved and something would be left to do."""
        if self.state in DONE and undone(checklist):
            raise CaseDone(case_id=self.id, state=self.state)
        return checklist

    def _owned(self, owner: str, team: str, reason: str, now: datetime) -> dict[str, Any]:
        former = [replace(each, until_time=each.until_time or now) for each in self.ownership]
        taken = CaseOwnership(owner=owner, team=team, since_time=now, reason=reason)
        return {"owner": owner, "team": team, "ownership": (*former, taken)}

    def prioritized(self, priority: int, now: datetime, policy: ServicePolicyVersion | None) -> Case:
        """With another priority, and the targets of a policy for it."""
        clocks = self.clocks
        if clocks is not None and policy is not None and priority != self.priority:
            clocks = clocks.measure_by(clocks.next_id, policy, now, priority=priority)
        return replace(self, priority=priority, clocks=clocks)

    def _change(self, told_by: _EventOf, **changes: Any) -> Change[Case]:
        return self.became(replace(self, **changes), told_by)

    def became(self, case: Case, told_by: _EventOf) -> Change[Case]:
        """This case as another state of it, with its event. Nothing when it is the same."""
        return case.tell(told_by) if case != self else (self, [])

    def tell(self, told_by: _EventOf) -> Change[Case]:
        """This state with its event. CaseFull when it has more of something than a case may have."""
        for part, limit in BOUNDS.items():
            if len(getattr(self, part)) > limit:
                raise CaseFull(case_id=self.id, part=part, limit=limit)
        return self, [told_by(case=self)]
