"""Calls: each is a fold over the events that a telephone system told of it, in whatever order they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import ClassVar

from libs.chassis.domain import Change, Entity, InvalidArgument, OpenEnum

STEPS_MAX = 200
"""Events of one call that are kept."""


class CallOutOfOrder(InvalidArgument):
    """{kind} at {occurred_time} is before the ring of the call at {ring_time}."""

    wrong_field: ClassVar[str] = "occurred_time"
    kind: str
    occurred_time: str
    ring_time: str


class TooManyCallEvents(InvalidArgument):
    """Call {call_id} has {most} events already."""

    wrong_field: ClassVar[str] = "call_key"
    call_id: str
    most: int


class CallEventKind(OpenEnum):
    """Kind of what happened to a call."""

    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    HELD = "HELD"
    TRANSFERRED = "TRANSFERRED"
    ENDED = "ENDED"
    ABANDONED = "ABANDONED"


_ORDER = tuple(CallEventKind)


class CallState(OpenEnum):
    """State of a call."""

    PARTIAL = "PARTIAL"
    WAITING = "WAITING"
    TALKING = "TALKING"
    HOLDING = "HOLDING"
    ANSWERED = "ANSWERED"
    ABANDONED = "ABANDONED"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """Something that a telephone system tells of a call."""

    kind: CallEventKind
    source: str
    call_key: str
    occurred_time: datetime
    queue_id: str = ""
    number: str = ""
    customer_id: str = ""
    tier: str = ""
    agent: str = ""

    @property
    def key(self) -> str:
        """The key of the call over all telephone systems."""
        return f"{self.source}:{self.call_key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStep:
    """Something that happened to a call."""

    kind: CallEventKind
    occurred_time: datetime
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Entity):
    """Telephone call, as its events tell it."""

    ID_PREFIX: ClassVar[str] = "call"

    queue_id: str = ""
    number: str = ""
    customer_id: str = ""
    tier: str = ""
    state: CallState = CallState.PARTIAL
    ring_time: datetime | None = None
    answer_time: datetime | None = None
    end_time: datetime | None = None
    wait_seconds: int | None = None
    talk_seconds: int = 0
    hold_seconds: int = 0
    transfer_count: int = 0
    steps: tuple[CallStep, ...] = ()

    def take(self, event: CallEvent) -> Change[Call]:
        """With one more event. One that is known changes nothing."""
        step = CallStep(kind=event.kind, occurred_time=event.occurred_time, agent=event.agent)
        if step in self.steps:
            return self, []
        if len(self.steps) >= STEPS_MAX:
            raise TooManyCallEvents(call_id=self.id, most=STEPS_MAX)
        steps = sorted((*self.steps, step), key=lambda each: (each.occurred_time, _ORDER.index(each.kind)))
        rings = [each.occurred_time for each in steps if each.kind is CallEventKind.RINGING]
        if rings and steps[0].occurred_time < rings[0]:
            raise CallOutOfOrder(
                kind=steps[0].kind, occurred_time=steps[0].occurred_time.isoformat(), ring_time=rings[0].isoformat()
            )
        known = replace(
            self,
            steps=tuple(steps),
            queue_id=event.queue_id or self.queue_id,
            number=event.number or self.number,
            customer_id=event.customer_id or self.customer_id,
            tier=event.tier or self.tier,
        )
        return known.refolded(), []

    def erase(self) -> Change[Call]:
        """Without a number."""
        return replace(self, number=""), []

    def refolded(self) -> Call:
        """As its steps tell it."""
        ring = _first(self.steps, CallEventKind.RINGING)
        answer = _first(self.steps, CallEventKind.ANSWERED)
        end, talk, hold = None, timedelta(0), timedelta(0)
        state, since = CallState.PARTIAL if ring is None else CallState.WAITING, ring
        for each in self.steps:
            if since is not None and state is CallState.TALKING:
                talk += each.occurred_time - since
            if since is not None and state is CallState.HOLDING:
                hold += each.occurred_time - since
            since = each.occurred_time
            if each.kind in (CallEventKind.ENDED, CallEventKind.ABANDONED):
                end = each.occurred_time
                state = CallState.ABANDONED if answer is None or each.occurred_time < answer else CallState.ANSWERED
            elif each.kind is CallEventKind.ANSWERED:
                state, end = CallState.TALKING, None
            elif each.kind is CallEventKind.HELD:
                state = CallState.HOLDING
            elif each.kind is CallEventKind.TRANSFERRED:
                state = CallState.HOLDING if answer is not None else state
        waited = answer or end
        return replace(
            self,
            state=CallState.PARTIAL if ring is None else state,
            ring_time=ring,
            answer_time=answer,
            end_time=end,
            wait_seconds=None if ring is None or waited is None else ceil((waited - ring).total_seconds()),
            talk_seconds=round(talk.total_seconds()),
            hold_seconds=round(hold.total_seconds()),
            transfer_count=sum(each.kind is CallEventKind.TRANSFERRED for each in self.steps),
        )


def _first(steps: Sequence[CallStep], kind: CallEventKind) -> datetime | None:
    return next((each.occurred_time for each in steps if each.kind is kind), None)
