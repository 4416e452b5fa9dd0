"""Queues: who may work on what waits in them, within which time, and where it goes when that is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FieldViolation, InvalidArgument, OpenEnum
from services.interactions.customers.domain import Channel

NEVER_RELAXED = 1
"""Level below which relaxation lets no language fall: half a language is better than none, and none is none."""


class SkillKind(OpenEnum):
    """Kind of a skill."""

    TOPIC = "TOPIC"
    CHANNEL = "CHANNEL"
    LANGUAGE = "LANGUAGE"


class ShortAbandonRule(OpenEnum):
    """Place of callers who hang up at once in a service level."""

    EXCLUDED = "EXCLUDED"
    MISSED = "MISSED"
    ANSWERED = "ANSWERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillRequirement:
    """Skill that work needs, and the level that is wanted."""

    kind: SkillKind
    name: str
    level: int = 1

    def filled(self) -> SkillRequirement:
        """With level 1 in place of 0."""
        return replace(self, level=self.level or 1)

    def relaxed(self, levels: int) -> SkillRequirement | None:
        """As it is after some levels were given up. None once it asks for nothing."""
        left = self.level - levels
        if self.kind is SkillKind.LANGUAGE:
            left = max(left, NEVER_RELAXED)
        return replace(self, level=left) if left > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGoal:
    """Share of the work of a tier that is to be answered within a time."""

    tier: str = ""
    """Empty for every tier without a goal of its own."""
    share_basis_points: int = 8_000
    within: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """Queue whose agents help out once work has waited long enough."""

    queue_id: str
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """Levels of skill that are given up once work has waited long enough."""

    after: timedelta
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingWeights:
    """Weights of the rank of work in thousandths, see `ranking`."""

    tier: int = 300
    slack: int = 1_000
    age: int = 100
    severity: int = 500
    handover: int = 500


NO_GOAL = AnswerGoal(within=timedelta(minutes=1))
"""Goal of work whose queue states none, so that its rank grows with its wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue(Entity):
    """Place in which work waits for an agent."""

    ID_PREFIX: ClassVar[str] = "que"

    display_name: str
    channel: Channel | None = None
    calendar_id: str = ""
    """Hours in which it takes work. Empty for always."""
    vendor: str = ""
    """Outsourced organization that works on it. Empty for our own."""
    weight_percent: int = 100
    """Rank of its work beside that of other queues."""
    ranking: RankingWeights = RankingWeights()
    goals: tuple[AnswerGoal, ...] = ()
    requirements: tuple[SkillRequirement, ...] = ()
    """Skills that all of its work needs."""
    relaxations: tuple[Relaxation, ...] = ()
    overflow: tuple[Overflow, ...] = ()
    max_wait: timedelta | None = None
    """Expected wait beyond which new work may be taken over by the overflow at once."""
    callbacks_enabled: bool = False
    waits_when_closed: bool = False
    """Set for letters and mail: work is taken at any time and waits until the queue opens."""
    handling_time: timedelta = timedelta(minutes=3)
    """Expected until enough was measured."""
    offer_time: timedelta = timedelta(seconds=20)
    """Time in which an agent accepts an offer."""
    short_abandon: timedelta = timedelta(seconds=5)
    """Time within which hanging up is a short abandon."""
    short_abandon_rule: ShortAbandonRule = ShortAbandonRule.EXCLUDED
    weekly_report: bool = False
    """Set when its people owe a field report every week."""

    def create(self) -> Change[WorkQueue]:
        """This queue as a new one. InvalidArgument names everything that is wrong with it."""
        self.check()
        created = self._filled()
        return created, [QueueCreated(queue=created)]

    def become(self, other: WorkQueue) -> Change[WorkQueue]:
        """This queue with the content of another."""
        other.check()
        become = replace(
            other._filled(),
            id=self.id,
            revision=self.revision,
            create_time=self.create_time,
            update_time=self.update_time,
        )
        return (self, []) if become == self else (become, [QueueUpdated(queue=become)])

    def _filled(self) -> WorkQueue:
        """With what is usual in place of every 0."""
        return replace(
            self,
            weight_percent=self.weight_percent or 100,
            goals=tuple(replace(each, share_basis_points=each.share_basis_points or 8_000) for each in self.goals),
            requirements=tuple(each.filled() for each in self.requirements),
        )

    def check(self) -> None:
        """Refuses an unsound queue with everything that is wrong."""
        if found := tuple(self._violations()):
            raise InvalidArgument(violations=found)

    def _violations(self) -> Iterator[FieldViolation]:
        tiers = [each.tier for each in self.goals]
        for number, tier in enumerate(tiers):
            if tier in tiers[:number]:
                yield FieldViolation(f"goals[{number}].tier", f"{tier!r} has a goal already")
        for name, times in (
            ("relaxations", [each.after for each in self.relaxations]),
            ("overflow", [each.after for each in self.overflow]),
        ):
            if times != sorted(times):
                yield FieldViolation(name, "must be in the order of `after`")
        for number, each in enumerate(self.overflow):
            if each.queue_id == self.id:
                yield FieldViolation(f"overflow[{number}].queue_id", "is this queue itself")

    def goal(self, tier: str) -> AnswerGoal:
        """The goal for a tier, or else the one for everybody."""
        found = {each.tier: each for each in self.goals}
        return found.get(tier) or found.get("") or NO_GOAL

    def given_up(self, waited: timedelta) -> int:
        """Levels of skill that are given up after a wait."""
        return sum(each.levels for each in self.relaxations if each.after <= waited)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEvent(Event):
    """Something that happened to a queue. Carries it as it is afterwards."""

    queue: WorkQueue


class QueueCreated(QueueEvent):
    """A queue was created."""


class QueueUpdated(QueueEvent):
    """A queue was changed."""
