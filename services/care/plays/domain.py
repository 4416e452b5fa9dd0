"""Plays: steps about an alert, who is held out of them, and the lift that they are measured by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, InvalidArgument, OpenEnum
from libs.statistics.estimates import Estimate, share, share_difference
from services.care.customers.domain.projection import Channel
from services.care.programs.domain.plans import Form

DUE_DAYS: Final = 3
"""Days that a person has for a step, unless it says otherwise."""
_WHOLE: Final = 10_000


class PlayOutOfUse(FailedPrecondition):
    """Play {play_id} is retired: begin another one."""

    play_id: str


class StepsOutOfOrder(InvalidArgument):
    """Step {step} comes before the one in front of it: put steps in the order of their days."""

    wrong_field: ClassVar[str] = "steps"
    step: int


class AlertInPlay(FailedPrecondition):
    """Alert {alert_id} has its play already, {play_id}."""

    alert_id: str
    play_id: str


class PlayGoal(OpenEnum):
    """Aim of a play."""

    PURCHASE = "PURCHASE"
    STAYED = "STAYED"


class PlayExit(OpenEnum):
    """Event that ends a play early."""

    PURCHASE = "PURCHASE"
    MEETING = "MEETING"


class PlayState(OpenEnum):
    """Use of a play."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


class PlayRunState(OpenEnum):
    """Progress of a play about an alert."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    EXITED = "EXITED"
    HELD_OUT = "HELD_OUT"


class PlayEnd(OpenEnum):
    """Cause of an early end."""

    ALERT_CLOSED = "ALERT_CLOSED"
    PURCHASE = "PURCHASE"
    MEETING = "MEETING"
    CUSTOMER_GONE = "CUSTOMER_GONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStep:
    """A task for a person."""

    display_name: str
    form: Form
    channel: Channel
    offset_days: int = 0
    due_days: int = 0
    assignee: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Entity):
    """Steps that are taken about an alert."""

    ID_PREFIX: ClassVar[str] = "ply"

    display_name: str
    steps: tuple[PlayStep, ...]
    exits: tuple[PlayExit, ...] = ()
    holdout_basis_points: int = 0
    goal: PlayGoal
    measure_days: int
    state: PlayState = PlayState.ACTIVE

    def create(self) -> Change[Play]:
        """This play as a new one."""
        for place, (sooner, later) in enumerate(pairwise(self.steps), 2):
            if later.offset_days < sooner.offset_days:
                raise StepsOutOfOrder(step=place)
        created = replace(self, state=PlayState.ACTIVE)
        return created, [PlayCreated(play=created)]

    def retire(self) -> Change[Play]:
        """Out of use."""
        if self.state is PlayState.RETIRED:
            return self, []
        retired = replace(self, state=PlayState.RETIRED)
        return retired, [PlayRetired(play=retired)]

    def holds_out(self, customer_id: str) -> bool:
        """Tells if a customer is held out: the same for a play and a customer, whenever it is asked."""
        digest = hashlib.sha256(f"{self.id}:{customer_id}".encode()).digest()
        return int.from_bytes(digest[:8]) % _WHOLE < self.holdout_basis_points


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRun(Entity):
    """A play about one alert."""

    ID_PREFIX: ClassVar[str] = "plr"

    play_id: str
    alert_id: str
    customer_id: str
    owner: str = ""
    held_out: bool = False
    state: PlayRunState = PlayRunState.RUNNING
    step_count: int = 0
    touch_ids: tuple[str, ...] = ()
    start_time: datetime | None = None
    next_time: datetime | None = None
    measure_time: datetime | None = None
    end: PlayEnd | None = None
    success_time: datetime | None = None
    measured: bool = False
    succeeded: bool = False

    def start(self, play: Play, now: datetime) -> Change[PlayRun]:
        """Begun. A repeat changes nothing."""
        if self.revision:
            return self, []
        held, measure = play.holds_out(self.customer_id), now + timedelta(days=play.measure_days)
        started = replace(
            self,
            held_out=held,
            state=PlayRunState.HELD_OUT if held else PlayRunState.RUNNING,
            start_time=now,
            measure_time=measure,
            next_time=measure if held else now + timedelta(days=play.steps[0].offset_days),
        )
        return started, [PlayStarted(play_run=started)]

    def due_step(self, play: Play, now: datetime) -> PlayStep | None:
        """The step whose time has come. None while there is none."""
        if self.state is not PlayRunState.RUNNING or self.next_time is None or self.next_time > now:
            return None
        return play.steps[self.step_count] if self.step_count < len(play.steps) else None

    def take(self, play: Play, touch_id: str, now: datetime) -> Change[PlayRun]:
        """With the task of its next step."""
        if self.due_step(play, now) is None or self.start_time is None:
            return self, []
        taken = replace(self, step_count=self.step_count + 1, touch_ids=(*self.touch_ids, touch_id))
        if taken.step_count < len(play.steps):
            coming = self.start_time + timedelta(days=play.steps[taken.step_count].offset_days)
            taken = replace(taken, next_time=coming)
        else:
            taken = replace(taken, state=PlayRunState.FINISHED, next_time=self.measure_time)
        return taken, [PlayAdvanced(play_run=taken)]

    def exit(self, end: PlayEnd) -> Change[PlayRun]:
        """Ended early. It is measured all the same."""
        if self.state is not PlayRunState.RUNNING:
            return self, []
        ended = replace(
            self, state=PlayRunState.EXITED, end=end, next_time=None if self.measured else self.measure_time
        )
        return ended, [PlayEnded(play_run=ended)]

    def buy(self, play: Play, at: datetime) -> Change[PlayRun]:
        """The customer bought, which may be the goal, and may end it."""
        if self.measured or self.start_time is None or at < self.start_time:
            return self, []
        changed, events = self, list[Event]()
        if play.goal is PlayGoal.PURCHASE and self.success_time is None:
            changed = replace(changed, success_time=at)
            events.append(PlayAdvanced(play_run=changed))
        if PlayExit.PURCHASE in play.exits:
            changed, told = changed.exit(PlayEnd.PURCHASE)
            events += told
        return changed, events

    def meet(self, play: Play, at: datetime) -> Change[PlayRun]:
        """Customer and company met, which may end it."""
        meant = PlayExit.MEETING in play.exits and self.start_time is not None and at >= self.start_time
        return self.exit(PlayEnd.MEETING) if meant else (self, [])

    def measure(self, play: Play, *, active: bool, now: datetime) -> Change[PlayRun]:
        """Measured, when its time has come."""
        if self.measured or self.measure_time is None or self.measure_time > now:
            return self, []
        bought = self.success_time is not None and self.success_time <= self.measure_time
        reached = bought if play.goal is PlayGoal.PURCHASE else active
        state = PlayRunState.FINISHED if self.state is PlayRunState.RUNNING else self.state
        measured = replace(self, state=state, measured=True, succeeded=reached, next_time=None)
        return measured, [PlayMeasured(play_run=measured)]

    def erase(self) -> Change[PlayRun]:
        """Of an erased customer: it ends, and is measured no more."""
        if self.next_time is None:
            return self, []
        state = PlayRunState.EXITED if self.state is PlayRunState.RUNNING else self.state
        ended = replace(self, state=state, end=PlayEnd.CUSTOMER_GONE, next_time=None)
        return ended, [PlayEnded(play_run=ended)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayLift:
    """Worth of a play."""

    play_id: str
    played: Estimate | None
    held_out: Estimate | None
    lift: Estimate | None


def lift_of(play_id: str, counts: Sequence[tuple[bool, bool, int]]) -> PlayLift:
    """The lift of a play from (held out, succeeded, number): the difference of two shares with Newcombe's interval."""

    def side(held: bool) -> Estimate | None:
        cases = sum(count for out, _, count in counts if out is held)
        return share(sum(count for out, reached, count in counts if out is held and reached), cases)

    played, held_out = side(False), side(True)
    lift = share_difference(played, held_out) if played is not None and held_out is not None else None
    return PlayLift(play_id=play_id, played=played, held_out=held_out, lift=lift)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayCreated(Event):
    """Tells that a play was created."""

    play: Play


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRetired(Event):
    """Tells that a play is out of use."""

    play: Play


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStarted(Event):
    """Tells that a play about an alert began, or that its customer is held out."""

    play_run: PlayRun


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayAdvanced(Event):
    """Tells that a step was taken, or that the goal was reached."""

    play_run: PlayRun


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayEnded(Event):
    """Tells that a play about an alert ended before its last step."""

    play_run: PlayRun


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayMeasured(Event):
    """Tells if a play about an alert reached its goal."""

    play_run: PlayRun
