"""Service policies: how fast something is to happen, by metric, priority and tier, in versions that never change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, FieldViolation, InvalidArgument, OpenEnum
from libs.worktime.clock import ZERO, CalendarVersion, Target

ALWAYS = CalendarVersion()
"""Calendar in which every hour counts."""
TARGET_MAX = timedelta(days=366)
"""Longest target. More is a mistake of units."""
VERSIONS_MAX = 100
"""Versions that a policy has at most."""


class ServiceMetric(OpenEnum):
    """Span of time that a service policy limits."""

    FIRST_RESPONSE = "FIRST_RESPONSE"
    NEXT_RESPONSE = "NEXT_RESPONSE"
    ACKNOWLEDGEMENT = "ACKNOWLEDGEMENT"
    UPDATE = "UPDATE"
    RESOLUTION = "RESOLUTION"
    SPEED_OF_ANSWER = "SPEED_OF_ANSWER"


class PolicyVersionFixed(FailedPrecondition):
    """Version {version} of {policy_id} is published and never changes: publish another one, in force later than it."""

    policy_id: str
    version: int


class PolicyVersionsExhausted(FailedPrecondition):
    """{policy_id} has {limit} versions, and no policy has more: create another policy."""

    policy_id: str
    limit: int


class NoPolicyInForce(FailedPrecondition):
    """{policy_id} has no version in force at {time}."""

    policy_id: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTarget:
    """Limit of a metric for a priority and a tier."""

    metric: ServiceMetric
    work: timedelta
    """Time within which it is to happen, counted in the calendar of the version."""
    priority: int | None = None
    """Priority that it is meant for, None for every one."""
    tier: str = ""
    """Tier that it is meant for, empty for every one."""
    warnings: tuple[int, ...] = ()
    """Percentages of `work` at which to warn."""
    pauses: tuple[str, ...] = ()
    """States in which the clock is paused. In every other one it runs."""
    counts_from_change: bool = False
    """Set when it counts from its coming into force for clocks that run already."""

    @property
    def key(self) -> tuple[ServiceMetric, int | None, str]:
        """The cases that it is meant for."""
        return self.metric, self.priority, self.tier


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePolicyVersion:
    """Targets of a policy from a time until the next version comes into force."""

    policy_id: str = ""
    version: int = 0
    since_time: datetime
    targets: tuple[ServiceTarget, ...]
    calendar: CalendarVersion = ALWAYS
    """Calendar in which targets are counted."""

    def target(self, metric: ServiceMetric, priority: int, tier: str) -> Target | None:
        """The most specific target: of priority and tier, of the priority, of the tier, of all. None when unlimited."""
        by_key = {each.key: each for each in self.targets}
        for key in ((metric, priority, tier), (metric, priority, ""), (metric, None, tier), (metric, None, "")):
            if (found := by_key.get(key)) is not None:
                return Target(
                    policy_id=self.policy_id,
                    policy_version=self.version,
                    work=found.work,
                    warnings=found.warnings,
                    pauses=found.pauses,
                    calendar=self.calendar,
                    counts_from_change=found.counts_from_change,
                )
        return None

    def check(self) -> None:
        """Refuses targets that mean nothing, all of them at once."""
        wrong = []
        for n, each in enumerate(self.targets):
            path = f"targets[{n}]"
            if not ZERO < each.work <= TARGET_MAX:
                wrong.append(FieldViolation(f"{path}.work", f"{each.work} is not above 0 and up to {TARGET_MAX}"))
            if any(not 0 < percent < 100 for percent in each.warnings):
                wrong.append(FieldViolation(f"{path}.warnings", "a warning comes at 1 to 99 percent"))
            if each.priority is not None and each.priority < 1:
                wrong.append(FieldViolation(f"{path}.priority", f"{each.priority} is not a priority: 1 is the highest"))
            if each.key in {other.key for other in self.targets[:n]}:
                wrong.append(FieldViolation(path, "another target has the same metric, priority and tier"))
        if not self.targets:
            wrong.append(FieldViolation("targets", "name at least one"))
        if wrong:
            raise InvalidArgument(violations=wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePolicy(Entity):
    """A policy with every version that it ever had, in order."""

    ID_PREFIX: ClassVar[str] = "sla"

    display_name: str
    versions: tuple[ServicePolicyVersion, ...] = ()

    def create(self) -> Change[ServicePolicy]:
        """This policy as a new one, with its first version."""
        created = replace(self, versions=(self._numbered(self.versions[0], 1),))
        return created, [ServicePolicyCreated(policy=created)]

    def publish(self, draft: ServicePolicyVersion) -> Change[ServicePolicy]:
        """One version more. PolicyVersionFixed when it would come into force no later than the last one."""
        last = self.versions[-1]
        if draft.since_time <= last.since_time:
            raise PolicyVersionFixed(policy_id=self.id, version=last.version)
        if len(self.versions) >= VERSIONS_MAX:
            raise PolicyVersionsExhausted(policy_id=self.id, limit=VERSIONS_MAX)
        published = replace(self, versions=(*self.versions, self._numbered(draft, last.version + 1)))
        return published, [PolicyVersionPublished(policy=published)]

    def at(self, time: datetime) -> ServicePolicyVersion:
        """The version in force at a time."""
        for version in reversed(self.versions):
            if version.since_time <= time:
                return version
        raise NoPolicyInForce(policy_id=self.id, time=time)

    def _numbered(self, draft: ServicePolicyVersion, number: int) -> ServicePolicyVersion:
        draft.check()
        return replace(draft, policy_id=self.id, version=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePolicyCreated(Event):
    """A service policy was created."""

    policy: ServicePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersionPublished(Event):
    """A service policy has another version."""

    policy: ServicePolicy
