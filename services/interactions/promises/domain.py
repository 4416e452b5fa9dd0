"""Promises: what the company told a customer it would do, and by when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, InvalidArgument, OpenEnum
from libs.worktime.hours import WorkingHours
from libs.worktime.terms import Deadline, Term
from services.interactions.timeline.domain import Link


class PromiseSettled(FailedPrecondition):
    """Promise {promise_id} is {state}: this needs one of {allowed}."""

    promise_id: str
    state: str
    allowed: tuple[str, ...]


class RenegotiationTooLate(FailedPrecondition):
    """Promise {promise_id} was due at {due_time}: a promise is renegotiated before it is due."""

    promise_id: str
    due_time: str


class PromiseNotBroken(FailedPrecondition):
    """Promise {promise_id} is {state}: only a broken promise is recovered."""

    promise_id: str
    state: str


class PromiseOverdue(FailedPrecondition):
    """Promise {promise_id} was due at {due_time}, so it is broken: what was done after that recovers it."""

    promise_id: str
    due_time: str


class PromiseState(OpenEnum):
    """State of a promise."""

    MADE = "MADE"
    AT_RISK = "AT_RISK"
    KEPT = "KEPT"
    BROKEN = "BROKEN"
    RECOVERED = "RECOVERED"
    RENEGOTIATED = "RENEGOTIATED"


PENDING_STATES = (PromiseState.MADE, PromiseState.AT_RISK)
"""States of a promise that is still to be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Entity):
    """Something that the company told a customer it would do, by a time that it cannot move alone."""

    ID_PREFIX: ClassVar[str] = "pro"

    customer_id: str
    text: str
    term: Term
    conversation_id: str = ""
    about: Link | None = None
    made_by: str = ""
    made_time: datetime | None = None
    due_time: datetime | None = None
    at_risk_time: datetime | None = None
    state: PromiseState = PromiseState.MADE
    kept_time: datetime | None = None
    margin: timedelta | None = None
    broken_time: datetime | None = None
    broken_reason: str = ""
    recovered_time: datetime | None = None
    recovery: str = ""
    supersedes: str = ""
    superseded_by: str = ""
    agreement: str = ""
    renegotiations: int = 0
    wake_time: datetime | None = None
    """Time at which the clock moves it on if nobody else does. Absent once it no longer can."""

    @property
    def is_pending(self) -> bool:
        """True while it is still to be kept."""
        return self.state in PENDING_STATES

    def make(self, *, made_by: str, now: datetime, hours: WorkingHours | None) -> Change[Promise]:
        """This promise as a new one, with its due time. Whatever only the server writes is ignored."""
        made_time = self.made_time or now
        if made_time > now:
            raise InvalidArgument.field("made_time", f"{made_time.isoformat()} is in the future")
        deadline = self.term.due(made_time, hours)
        made = Promise(
            id=self.id,
            customer_id=self.customer_id,
            conversation_id=self.conversation_id,
            about=self.about,
            text=self.text,
            made_by=self.made_by or made_by,
            made_time=made_time,
            term=self.term,
            due_time=deadline.due,
            at_risk_time=deadline.at_risk,
            wake_time=deadline.at_risk,
        )
        return made, [PromiseMade(promise=made)]

    def keep(self, at: datetime, now: datetime, hours: WorkingHours | None) -> Change[Promise]:
        """Kept in time."""
        due, made = self._pending_since()
        if at > now:
            raise InvalidArgument.field("kept_time", f"{at.isoformat()} is in the future")
        if at < made:
            raise InvalidArgument.field("kept_time", f"{at.isoformat()} is before it was made, {made.isoformat()}")
        if at > due:
            raise PromiseOverdue(promise_id=self.id, due_time=due.isoformat())
        margin = Deadline(made, due, hours).left(at)
        kept = replace(self, state=PromiseState.KEPT, kept_time=at, margin=margin, wake_time=None)
        return kept, [PromiseKept(promise=kept)]

    def give_up(self, reason: str, now: datetime) -> Change[Promise]:
        """Broken before it was due."""
        self._pending_since()
        return self._broken(now, reason)

    def recover(self, recovery: str, now: datetime) -> Change[Promise]:
        """Broken, and made good."""
        if self.state is not PromiseState.BROKEN:
            raise PromiseNotBroken(promise_id=self.id, state=self.state)
        recovered = replace(self, state=PromiseState.RECOVERED, recovered_time=now, recovery=recovery)
        return recovered, [PromiseRecovered(promise=recovered)]

    def renegotiate(self, agreement: str, superseded_by: str, now: datetime) -> Change[Promise]:
        """Replaced by another promise, which the customer agreed to before this one was due."""
        due, _ = self._pending_since()
        if now >= due:
            raise RenegotiationTooLate(promise_id=self.id, due_time=due.isoformat())
        replaced = replace(
            self,
            state=PromiseState.RENEGOTIATED,
            agreement=agreement,
            superseded_by=superseded_by,
            wake_time=None,
        )
        return replaced, [PromiseRenegotiated(promise=replaced)]

    def successor(
        self, *, id: str, text: str, term: Term, made_by: str, now: datetime, hours: WorkingHours | None
    ) -> Change[Promise]:
        """The promise that replaces this one."""
        draft = Promise(
            id=id,
            customer_id=self.customer_id,
            conversation_id=self.conversation_id,
            about=self.about,
            text=text or self.text,
            term=term,
        )
        made, _ = draft.make(made_by=made_by, now=now, hours=hours)
        made = replace(made, supersedes=self.id, renegotiations=self.renegotiations + 1)
        return made, [PromiseMade(promise=made)]

    def wake(self, now: datetime) -> Change[Promise]:
        """Moved on by the clock: at risk, or broken once it is due. Nothing changes when neither is so.

        This is all that a timer calls: the state decides, so however often it calls, each happens once.
        """
        if not self.is_pending or self.due_time is None or self.at_risk_time is None:
            return self, []
        if now >= self.due_time:
            return self._broken(self.due_time, "")
        if self.state is PromiseState.MADE and now >= self.at_risk_time:
            at_risk = replace(self, state=PromiseState.AT_RISK, wake_time=self.due_time)
            return at_risk, [PromiseAtRisk(promise=at_risk)]
        return self, []

    def erase(self) -> Change[Promise]:
        """Without words, and no longer watched by the clock: there is nobody left to keep it to."""
        if self.wake_time is None and not (self.text or self.agreement or self.recovery or self.broken_reason):
            return self, []
        left = replace(self, text="", agreement="", recovery="", broken_reason="", wake_time=None)
        return left, [PromiseErased(promise=left)]

    def _broken(self, at: datetime, reason: str) -> Change[Promise]:
        broken = replace(self, state=PromiseState.BROKEN, broken_time=at, broken_reason=reason, wake_time=None)
        return broken, [PromiseBroken(promise=broken)]

    def _pending_since(self) -> tuple[datetime, datetime]:
        """(due, made) of a promise that is still to be kept; FailedPrecondition for any other."""
        if not self.is_pending or self.due_time is None or self.made_time is None:
            raise PromiseSettled(promise_id=self.id, state=self.state, allowed=tuple(PENDING_STATES))
        return self.due_time, self.made_time


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseEvent(Event):
    """Something that happened to a promise. Carries it as it is afterwards."""

    promise: Promise


class PromiseMade(PromiseEvent):
    """A promise was given."""


class PromiseAtRisk(PromiseEvent):
    """Three quarters of the time of a promise are over."""


class PromiseKept(PromiseEvent):
    """A promise was kept."""


class PromiseBroken(PromiseEvent):
    """A promise was broken."""


class PromiseRenegotiated(PromiseEvent):
    """A promise was replaced before it was due, with the agreement of the customer."""


class PromiseErased(PromiseEvent):
    """The personal words of a promise were erased."""


class PromiseRecovered(PromiseEvent):
    """A broken promise was made good."""
