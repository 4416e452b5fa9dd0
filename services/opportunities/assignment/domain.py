"""Rules that say who answers for a lead, and the turns that make them fair.

Turns are start-time fair queueing (Goyal, Vin and Cheng 1996): every agent has a clock that each lead moves on by one
over the weight, and of those who may take a lead the one whose clock is furthest behind does. A clock is never behind
the one of the lead that was given last, so whoever comes back from an absence takes part again and catches up nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, FieldViolation, InvalidArgument, Open
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.parts import AgentVerdict, Assignment, PassedAgent

LAP: Final = 720_720_000
"""Distance that a lead moves the clock of an agent of weight 1. Divided by every weight up to 16 without a rest."""
PASSED_MAX: Final = 50
"""Agents who were passed over that a decision names."""
FULL_PAUSE: Final = timedelta(minutes=5)
"""Pause before another look at a lead that nobody could take."""
NO_RULE_PAUSE: Final = timedelta(hours=1)
"""Pause before another look at a lead that no rule is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A time in which an agent is away."""

    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Somebody whom a rule may give leads to."""

    member: str
    weight: int = 0
    capacity: int = 0
    territories: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    absences: tuple[Absence, ...] = ()

    def verdict(self, lead: Lead, open_leads: int, now: datetime) -> AgentVerdict | None:
        """Reason for passing the agent over. None when the lead may be theirs."""
        if self.territories and lead.territory not in self.territories:
            return AgentVerdict.TERRITORY
        if not {*lead.skills} <= {*self.skills}:
            return AgentVerdict.SKILL
        if any(each.start_time <= now < each.end_time for each in self.absences):
            return AgentVerdict.ABSENT
        return AgentVerdict.FULL if self.capacity and open_leads >= self.capacity else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRule(Entity):
    """A rule that says who answers for which leads."""

    ID_PREFIX: ClassVar[str] = "arul"

    display_name: str
    agents: tuple[Agent, ...]
    place: int = 0
    form_id: str = ""
    sources: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    response: timedelta | None = None
    calendar_id: str = ""
    retired: bool = False

    def create(self) -> Change[AssignmentRule]:
        """This rule as a new one."""
        self._check()
        return self, [AssignmentRuleCreated(assignment_rule=self)]

    def update(self, other: AssignmentRule) -> Change[AssignmentRule]:
        """With the content of another one."""
        if other == self:
            return self, []
        other._check()
        return other, [AssignmentRuleUpdated(assignment_rule=other)]

    def fits(self, lead: Lead) -> bool:
        """Tells that it is for a lead."""
        return (
            self.form_id in ("", lead.form_id)
            and (not self.sources or lead.source in self.sources)
            and (not self.territories or lead.territory in self.territories)
        )

    def decide(
        self, lead: Lead, turns: AssignmentTurns, open_leads: Mapping[str, int], now: datetime
    ) -> tuple[str, Assignment]:
        """(who gets a lead or nobody, with the reasons)."""
        verdicts = {each.member: each.verdict(lead, open_leads.get(each.member, 0), now) for each in self.agents}
        eligible = [each for each in self.agents if verdicts[each.member] is None]
        passed = [
            PassedAgent(member=member, verdict=verdict) for member, verdict in verdicts.items() if verdict is not None
        ]
        decision = Assignment(
            decide_time=now,
            rule_id=self.id,
            rule_revision=self.revision,
            eligible=len(eligible),
            passed=tuple(passed[:PASSED_MAX]),
        )
        return turns.next_of(eligible), decision

    def _check(self) -> None:
        violations = [*self._violations()]
        if violations:
            raise InvalidArgument(violations=violations)

    def _violations(self) -> Iterator[FieldViolation]:
        members = [each.member for each in self.agents]
        for number, each in enumerate(self.agents):
            if each.member in members[:number]:
                yield FieldViolation(f"agents[{number}].member", f"{each.member!r} is there twice")
            for i, absence in enumerate(each.absences):
                if absence.end_time <= absence.start_time:
                    told = f"{absence.end_time.isoformat()} is not after start_time {absence.start_time.isoformat()}"
                    yield FieldViolation(f"agents[{number}].absences[{i}].end_time", told)
        if self.calendar_id and self.response is None:
            yield FieldViolation("response", "is required with a calendar: say how much of its time is allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Turns of one agent."""

    member: str
    leads: int = 0
    clock: int = 0
    """Distance that the leads of the agent have moved them on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentTurns(Entity):
    """Turns of all agents of a rule."""

    ID_PREFIX: ClassVar[str] = "atrn"

    rule_id: Open[str]
    clock: int = 0
    """Clock of the agent who got the last lead, as it was before."""
    turns: tuple[Turn, ...] = ()

    def next_of(self, agents: list[Agent]) -> str:
        """The agent whose turn it is, of those who may. The first in the rule of several. Nobody of none."""
        clocks = {each.member: each.clock for each in self.turns}
        starts = {each.member: max(clocks.get(each.member, 0), self.clock) for each in agents}
        return min(starts, key=starts.__getitem__, default="")

    def give(self, agent: Agent) -> Change[AssignmentTurns]:
        """After one more lead for an agent."""
        turns = {each.member: each for each in self.turns}
        turn = turns.get(agent.member, Turn(member=agent.member))
        start = max(turn.clock, self.clock)
        turns[agent.member] = replace(turn, leads=turn.leads + 1, clock=start + LAP // (agent.weight or 1))
        return replace(self, clock=start, turns=tuple(turns[member] for member in sorted(turns))), []


# ------------------------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRuleCreated(Event):
    """A rule was created."""

    assignment_rule: AssignmentRule


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentRuleUpdated(Event):
    """A rule was written anew."""

    assignment_rule: AssignmentRule
