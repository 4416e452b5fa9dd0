"""Agents: their skills, how much they can do at once, and presence with a lease that has to be renewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, OpenEnum
from services.interactions.routing.domain.queues import SkillKind, SkillRequirement
from services.interactions.routing.domain.refusals import AgentFull, AgentNotAvailable, PresenceLapsed

PRESENCE_LEASE = timedelta(seconds=20)
"""Time after which somebody who was not heard of counts as gone."""
USUAL_LEVEL = 5
"""Level of a skill when none is said."""
REMEMBERED = 50
"""Pieces of work after which the counts behind the transfer risk are halved, so that they follow what is recent."""


class Presence(OpenEnum):
    """Presence of an agent."""

    OFFLINE = "OFFLINE"
    AVAILABLE = "AVAILABLE"
    BUSY = "BUSY"
    BREAK = "BREAK"
    WRAP_UP = "WRAP_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSkill:
    """Skill of an agent."""

    kind: SkillKind
    name: str
    level: int = 5
    """From 1, a beginner, to 10."""
    until_time: datetime | None = None
    """End of a certificate. None for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWork:
    """Work that an agent is offered or works on."""

    work_id: str
    units: int
    accepted: bool = False
    wraps_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAgent(Entity):
    """Somebody who works on queues."""

    ID_PREFIX: ClassVar[str] = "qag"

    principal: str
    vendor: str = ""
    queue_ids: tuple[str, ...] = ()
    skills: tuple[AgentSkill, ...] = ()
    capacity_units: int = 1
    calendar_id: str = ""
    """Hours on the roster, for adherence. Empty when nobody plans them."""
    presence: Presence = Presence.OFFLINE
    """Declared by the agent."""
    activity: Presence = Presence.OFFLINE
    """Presence as time is accounted: an available agent with work is busy, or in wrap-up."""
    activity_time: datetime | None = None
    """Begin of the activity."""
    lease_expire_time: datetime | None = None
    """End of the presence unless it is renewed. None while offline."""
    idle_since_time: datetime | None = None
    """Last time that work ended."""
    held: tuple[HeldWork, ...] = ()
    handled_count: int = 0
    transferred_count: int = 0

    @property
    def free_units(self) -> int:
        """Units for further work. Below zero after forced work."""
        return self.capacity_units - sum(each.units for each in self.held)

    @property
    def load(self) -> float:
        """Share of the capacity that is taken."""
        return 1 - self.free_units / self.capacity_units

    @property
    def transfer_risk(self) -> float:
        """Share of the recent work that was passed on, with one success before anything is known."""
        return self.transferred_count / (self.handled_count + 1)

    def register(self, known: QueueAgent) -> Change[QueueAgent]:
        """What is registered, with the presence and work of the agent that is known."""
        return replace(
            known,
            principal=self.principal,
            vendor=self.vendor,
            queue_ids=self.queue_ids,
            skills=tuple(replace(each, level=each.level or USUAL_LEVEL) for each in self.skills),
            capacity_units=max(self.capacity_units, 1),
            calendar_id=self.calendar_id,
        ), []

    def appear(self, presence: Presence, now: datetime) -> Change[QueueAgent]:
        """With a presence, which begins or renews its lease."""
        idle = now if self.presence is Presence.OFFLINE else self.idle_since_time
        lease = None if presence is Presence.OFFLINE else now + PRESENCE_LEASE
        return replace(self, presence=presence, lease_expire_time=lease, idle_since_time=idle).acting(now), []

    def renew(self, now: datetime) -> Change[QueueAgent]:
        """With a lease that begins now. PresenceLapsed once it ended."""
        if self.lease_expire_time is None or self.lease_expire_time <= now:
            raise PresenceLapsed(agent_id=self.id)
        return replace(self, lease_expire_time=now + PRESENCE_LEASE), []

    def has_lapsed(self, now: datetime) -> bool:
        """True once nobody heard of the agent for as long as the lease lasts."""
        return self.lease_expire_time is not None and self.lease_expire_time <= now

    def lapse(self, now: datetime) -> Change[QueueAgent]:
        """Gone, without any work. Nothing changes while the lease lasts."""
        if not self.has_lapsed(now):
            return self, []
        return self.leave(now)

    def leave(self, now: datetime) -> Change[QueueAgent]:
        """Gone, without any work."""
        gone = replace(self, presence=Presence.OFFLINE, lease_expire_time=None, held=())
        return gone.acting(now), []

    def can_take(self, units: int, now: datetime) -> bool:
        """True when work of so many units can be offered now."""
        return self.presence is Presence.AVAILABLE and not self.has_lapsed(now) and self.free_units >= units

    def take(self, work_id: str, units: int, now: datetime, *, accepted: bool, forced: bool = False) -> QueueAgent:
        """With one more piece of work. Forced work may exceed the capacity."""
        if self.presence is not Presence.AVAILABLE or self.has_lapsed(now):
            raise AgentNotAvailable(agent_id=self.id, presence=self.presence)
        if not forced and self.free_units < units:
            raise AgentFull(agent_id=self.id, free=self.free_units, units=units)
        held = HeldWork(work_id=work_id, units=units, accepted=accepted)
        return replace(self, held=(*self.held, held)).acting(now)

    def hold(self, work_id: str, now: datetime, *, wraps_up: bool = False) -> QueueAgent:
        """With a piece of work accepted, or in wrap-up."""
        held = tuple(
            replace(each, accepted=True, wraps_up=wraps_up) if each.work_id == work_id else each for each in self.held
        )
        return replace(self, held=held).acting(now)

    def drop(self, work_id: str, now: datetime, *, handled: bool = False, transferred: bool = False) -> QueueAgent:
        """Without a piece of work, which was handled or passed on, or neither."""
        left = tuple(each for each in self.held if each.work_id != work_id)
        handled_count, transferred_count = self.handled_count + handled, self.transferred_count + transferred
        if handled_count > REMEMBERED:
            handled_count, transferred_count = handled_count // 2, transferred_count // 2
        idle = now if handled or transferred else self.idle_since_time
        return replace(
            self,
            held=left,
            idle_since_time=idle,
            handled_count=handled_count,
            transferred_count=transferred_count,
        ).acting(now)

    def lacks(self, requirements: Sequence[SkillRequirement], now: datetime) -> SkillRequirement | None:
        """The first requirement that the skills do not meet."""
        return next((each for each in requirements if self.level(each, now) < each.level), None)

    def level(self, requirement: SkillRequirement, now: datetime) -> int:
        """Level of the skill that a requirement names, 0 without it."""
        return max(
            (
                each.level
                for each in self.skills
                if each.kind is requirement.kind
                and each.name == requirement.name
                and (each.until_time is None or each.until_time > now)
            ),
            default=0,
        )

    def acting(self, now: datetime) -> QueueAgent:
        """With the activity that follows from presence and work."""
        activity = self.presence
        accepted = [each for each in self.held if each.accepted]
        if self.presence is Presence.AVAILABLE and accepted:
            activity = Presence.WRAP_UP if all(each.wraps_up for each in accepted) else Presence.BUSY
        if activity == self.activity and self.activity_time is not None:
            return self
        return replace(self, activity=activity, activity_time=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceSpan(Entity):
    """Stretch of time that an agent spent in one activity."""

    ID_PREFIX: ClassVar[str] = "psp"

    agent_id: str
    activity: Presence
    start_time: datetime
    end_time: datetime


def span_between(before: QueueAgent, after: QueueAgent) -> PresenceSpan | None:
    """The stretch that ended with a change of activity. None when none did."""
    if before.activity_time is None or after.activity_time is None or before.activity == after.activity:
        return None
    return PresenceSpan(
        id="",
        agent_id=after.id,
        activity=before.activity,
        start_time=before.activity_time,
        end_time=after.activity_time,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityTime:
    """Time in one activity."""

    activity: Presence
    time: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTimes:
    """Account of how an agent spent a time."""

    agent_id: str
    start_time: datetime
    end_time: datetime
    activities: tuple[ActivityTime, ...]
    occupancy: float | None = None
    adherence: float | None = None
