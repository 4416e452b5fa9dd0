"""Touches: something that comes to a customer, once, from its plan to what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, Open, Sealed
from services.care.customers.domain.permission import Finding, Reason
from services.care.customers.domain.projection import Channel, ConsentPurpose
from services.care.programs.domain.plans import Form
from services.care.senders.domain import Fate, Handover
from services.care.touches.domain.parts import (
    HANDED_OVER,
    WAITING,
    Claim,
    Task,
    TaskOutcome,
    TouchState,
)
from services.care.touches.domain.refusals import NeedNotAsked, TouchStateForbids
from services.care.touches.domain.requests import Outcome, RequestAnswered

CLAIM_LASTS: Final = timedelta(minutes=2)
"""Time that a worker has to hand over what it claimed, before another asks what became of it."""
RETRY_FIRST, RETRY_LONGEST = timedelta(seconds=30), timedelta(minutes=30)
"""Pause after the first attempt that a provider did not take, and the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch(Entity):
    """Something that comes to a customer."""

    ID_PREFIX: ClassVar[str] = "tch"

    program_id: str = ""
    version: int = 0
    customer_id: str
    enrollment_id: Open[str] = ""
    """The enrollment that planned it. Empty for what came of a fact."""
    occurrence: str
    occasion: str = ""
    local_date: date | None = None
    minute: int | None = None
    time_zone: str = ""
    planned_time: datetime
    due_time: datetime | None = None
    expire_time: datetime
    state: TouchState = TouchState.PLANNED
    purpose: ConsentPurpose = ConsentPurpose.CARE
    form: Form
    channel: Channel
    contact_point: str = ""
    permission_ref: str = ""
    code: Open[str] = ""
    """Random code of the link by which the customer unsubscribes."""
    worker: Open[str] = ""
    """The worker that claimed it last."""
    findings: tuple[Finding, ...] = ()
    attempts: int = 0
    provider_id: str = ""
    send_time: datetime | None = None
    result_time: datetime | None = None
    failure: str = ""
    task: Task | None = None
    erased: bool = False
    request_ref: str = ""
    survey_token: Sealed[str] = ""
    """Way into a survey, for the words of an invitation."""

    # ---------------------------------------------------------------------------------------------------- planning

    def plan(self) -> Change[Touch]:
        """This touch as a new one, due when it was meant to come."""
        planned = replace(self, due_time=self.planned_time)
        return planned, [TouchPlanned(touch=planned)]

    def replan(self, other: Touch) -> Change[Touch]:
        """At another time, in another zone or form, while it waits or was given up without having come."""
        if self.state not in WAITING and self.state is not TouchState.SUPERSEDED:
            return self, []
        moved = replace(self, **{name: getattr(other, name) for name in _PLANNED_ANEW})
        if moved == self and self.state in WAITING:
            return self, []
        moved = replace(moved, due_time=other.planned_time, state=TouchState.PLANNED, findings=())
        return moved, [TouchPlanned(touch=moved)]

    def supersede(self, finding: Finding, now: datetime) -> Change[Touch]:
        """Another took its place, or it is no longer meant."""
        return self._ended(TouchState.SUPERSEDED, [finding], now) if self.state in WAITING else (self, [])

    # ---------------------------------------------------------------------------------------------------- its time

    def claim(self, claim: Claim, now: datetime) -> Change[Touch]:
        """Claimed by a worker. Whoever comes second finds that it waits no longer, and changes nothing."""
        if self.state not in WAITING:
            return self, []
        claimed = replace(
            self,
            state=TouchState.CLAIMED,
            worker=claim.worker,
            contact_point=claim.contact_point,
            permission_ref=claim.permission_ref,
            code=self.code or claim.code,
            findings=(),
            attempts=self.attempts + 1,
            due_time=now + CLAIM_LASTS,
        )
        return claimed, [TouchClaimed(touch=claimed)]

    def reclaim(self, worker: str, now: datetime) -> Change[Touch]:
        """Claimed anew after the worker before did not come back in time."""
        if self.state is not TouchState.CLAIMED or self.due_time is None or self.due_time > now:
            return self, []
        claimed = replace(self, worker=worker, attempts=self.attempts + 1, due_time=now + CLAIM_LASTS)
        return claimed, [TouchClaimed(touch=claimed)]

    def release(self, now: datetime) -> Change[Touch]:
        """Waits again: the provider never saw what a worker claimed."""
        if self.state is not TouchState.CLAIMED:
            return self, []
        released = replace(self, state=TouchState.DEFERRED, due_time=now)
        return released, [TouchDeferred(touch=released)]

    def assign(self, assignee: str, permission_ref: str, due_time: datetime) -> Change[Touch]:
        """Given to a person as a task."""
        if self.state not in WAITING:
            return self, []
        task = Task(assignee=assignee, due_time=due_time)
        given = replace(
            self, state=TouchState.ASSIGNED, task=task, permission_ref=permission_ref, findings=(), due_time=None
        )
        return given, [TaskAssigned(touch=given)]

    def defer(self, findings: Sequence[Finding], until: datetime) -> Change[Touch]:
        """Waits until what is against it has passed."""
        if self.state not in WAITING or (self.due_time == until and self.findings == tuple(findings)):
            return self, []
        deferred = replace(self, state=TouchState.DEFERRED, findings=tuple(findings), due_time=until)
        return deferred, [TouchDeferred(touch=deferred)]

    def suppress(self, findings: Sequence[Finding], now: datetime) -> Change[Touch]:
        """Not sent, for all of these reasons. Also after it was claimed, as long as it was not handed over."""
        if self.state not in WAITING and self.state is not TouchState.CLAIMED:
            return self, []
        return self._ended(TouchState.SUPPRESSED, findings, now)

    def lapse(self, now: datetime) -> Change[Touch]:
        """No longer useful. What was against it stays told."""
        if self.state not in WAITING and self.state is not TouchState.CLAIMED:
            return self, []
        late = Finding(reason=Reason.TOO_LATE, explanation=f"useful until {self.expire_time.isoformat()}")
        kept = tuple(each for each in self.findings if each.reason is not Reason.TOO_LATE)
        lapsed = replace(self, state=TouchState.LAPSED, findings=(*kept, late), due_time=None, result_time=now)
        return lapsed, [TouchLapsed(touch=lapsed), *lapsed.answers(Outcome.LAPSED, now)]

    def skip(self, reason: str, now: datetime) -> Change[Touch]:
        """Skipped by a person before it was sent."""
        if self.state not in WAITING:
            raise TouchStateForbids(touch_id=self.id, state=self.state, allowed=sorted(WAITING))
        return self._ended(TouchState.SUPPRESSED, [Finding(reason=Reason.SKIPPED, explanation=reason)], now)

    # -------------------------------------------------------------------------------------------------- its result

    def settle(self, worker: str, handover: Handover, *, can_find: bool, now: datetime) -> Change[Touch]:
        """After an attempt to hand it over. Only the worker that claimed it last tells."""
        if self.state is not TouchState.CLAIMED or self.worker != worker:
            return self, []
        told = replace(self, failure=handover.explanation, result_time=now)
        match handover.fate:
            case Fate.ACCEPTED:
                sent = replace(
                    told, state=TouchState.SENT, provider_id=handover.provider_id, send_time=now, due_time=None
                )
                return sent, [TouchSent(touch=sent), *sent.answers(Outcome.SENT, now)]
            case Fate.REFUSED:
                failed = replace(told, state=TouchState.FAILED, due_time=None)
                return failed, [TouchFailed(touch=failed), *failed.answers(Outcome.FAILED, now)]
            case Fate.NOT_NOW:
                later = replace(told, state=TouchState.DEFERRED, due_time=now + self._pause)
                return later, [TouchDeferred(touch=later)]
            case _ if can_find:
                asked = replace(told, due_time=now + self._pause)
                return asked, [TouchClaimed(touch=asked)]
            case _:
                unknown = replace(told, state=TouchState.UNCERTAIN, due_time=None)
                return unknown, [TouchFailed(touch=unknown), *unknown.answers(Outcome.SENT, now)]

    def deliver(self, now: datetime) -> Change[Touch]:
        """Arrived, as a provider reports."""
        if self.state not in HANDED_OVER:
            return self, []
        arrived = replace(
            self, state=TouchState.DELIVERED, send_time=self.send_time or now, result_time=now, due_time=None
        )
        return arrived, [TouchDelivered(touch=arrived)]

    def bounce(self, detail: str, now: datetime) -> Change[Touch]:
        """Came back for good, as a provider reports."""
        if self.state not in (*HANDED_OVER, TouchState.DELIVERED):
            return self, []
        failed = replace(self, state=TouchState.FAILED, failure=detail, result_time=now, due_time=None)
        return failed, [TouchFailed(touch=failed), *failed.answers(Outcome.FAILED, now)]

    def reply(self, now: datetime) -> Change[Touch]:
        """Answered by the customer."""
        if self.state not in (*HANDED_OVER, TouchState.DELIVERED):
            return self, []
        answered = replace(self, state=TouchState.RESPONDED, result_time=now, due_time=None)
        return answered, [TouchResponded(touch=answered)]

    def unsubscribe(self, customer_id: str, now: datetime) -> Change[Touch]:
        """The customer followed its link. It is told under the id that the customer has now."""
        told = UnsubscribeRequested(
            touch_id=self.id,
            customer_id=customer_id,
            purpose=str(self.purpose),
            channel=self.channel,
            request_time=now,
        )
        return replace(self, result_time=now), [told]

    # ---------------------------------------------------------------------------------------------------- its task

    def complete(self, outcome: TaskOutcome, note: str, more: str, nothing_more: bool, now: datetime) -> Change[Touch]:
        """Done or not, with what else can be done."""
        task = self._open_task()
        if outcome is TaskOutcome.DONE and not more.strip() and not nothing_more:
            raise NeedNotAsked
        done = replace(task, outcome=outcome, note=note, more=more, end_time=now)
        ended = replace(
            self,
            state=TouchState.RESPONDED if outcome is TaskOutcome.DONE else TouchState.FAILED,
            task=done,
            send_time=now,
            result_time=now,
        )
        fate = Outcome.SENT if outcome is TaskOutcome.DONE else Outcome.FAILED
        events: list[Event] = [TouchResponded(touch=ended), *ended.answers(fate, now)]
        if more.strip():
            events.append(NeedCaptured(touch_id=self.id, customer_id=self.customer_id, text=more))
        return ended, events

    def reassign(self, assignee: str) -> Change[Touch]:
        """A task of somebody else."""
        task = self._open_task()
        if task.assignee == assignee:
            return self, []
        given = replace(self, task=replace(task, assignee=assignee))
        return given, [TaskAssigned(touch=given)]

    def erase(self) -> Change[Touch]:
        """Without anything personal: states and times stay. What waits is not sent any more."""
        if self.erased:
            return self, []
        left = replace(
            self,
            occurrence="",
            occasion="",
            contact_point="",
            time_zone="",
            failure="",
            code="",
            survey_token="",
            local_date=None,
            findings=tuple(replace(each, explanation="") for each in self.findings),
            task=replace(self.task, note="", more="") if self.task is not None else None,
            due_time=None,
            state=TouchState.SUPPRESSED if self.state in WAITING else self.state,
            erased=True,
        )
        return left, [TouchErased(touch=left)]

    # --------------------------------------------------------------------------------------------------- its parts

    @property
    def _pause(self) -> timedelta:
        return min(RETRY_FIRST * (1 << min(max(self.attempts - 1, 0), 10)), RETRY_LONGEST)

    def _open_task(self) -> Task:
        if self.state is not TouchState.ASSIGNED or self.task is None:
            raise TouchStateForbids(touch_id=self.id, state=self.state, allowed=[TouchState.ASSIGNED])
        return self.task

    def _ended(self, state: TouchState, findings: Sequence[Finding], now: datetime) -> Change[Touch]:
        ended = replace(self, state=state, findings=tuple(findings), due_time=None, result_time=now)
        event = TouchSuppressed if state is TouchState.SUPPRESSED else TouchSuperseded
        return ended, [event(touch=ended), *ended.answers(Outcome.SUPPRESSED, now)]

    def answers(self, outcome: Outcome, now: datetime) -> Sequence[Event]:
        """The answer to whoever asked for it."""
        if not self.request_ref:
            return []
        answer = RequestAnswered(
            request_ref=self.request_ref,
            touch_id=self.id,
            customer_id=self.customer_id,
            outcome=outcome,
            reasons=tuple(dict.fromkeys(each.reason for each in self.findings)),
            answer_time=now,
        )
        return [answer]


_PLANNED_ANEW = (
    "version", "enrollment_id", "occasion", "local_date", "minute", "time_zone", "planned_time", "expire_time", "form",
    "channel", "purpose",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchPlanned(Event):
    """Tells that a touch was planned, or planned anew."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchDeferred(Event):
    """Tells that a touch waits because something is against it that passes."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchClaimed(Event):
    """Tells that a worker sends a touch."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchSent(Event):
    """Tells that a touch was sent."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchSuppressed(Event):
    """Tells that a touch is not sent, with all reasons."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchLapsed(Event):
    """Tells that a touch came too late to be useful."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchSuperseded(Event):
    """Tells that another took the place of a touch."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchFailed(Event):
    """Tells that a touch could not be sent, came back, or that nobody knows."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchDelivered(Event):
    """Tells that a touch arrived."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchResponded(Event):
    """Tells that a customer answered a touch, or that a task ended."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAssigned(Event):
    """Tells that a person was given a task."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchErased(Event):
    """Tells that what is personal in a touch was erased."""

    touch: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedCaptured(Event):
    """Tells what else can be done for a customer."""

    touch_id: str
    customer_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsubscribeRequested(Event):
    """Tells that a customer wants no more messages of a purpose."""

    touch_id: str
    customer_id: str
    purpose: str
    channel: Channel
    request_time: datetime
