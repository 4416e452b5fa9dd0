"""Audits: work drawn at random, scored by a scorecard, and how far auditors agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from statistics import fmean
from typing import ClassVar

import numpy as np

from libs.chassis.domain import Change, Entity, FailedPrecondition, InvalidArgument
from libs.statistics.agreement import cohen_kappa

PASS_POINTS = 80.0
"""Points from which work passes."""


class AuditOutsideSample(InvalidArgument):
    """Work {work_id} is no part of sample {sample_id}."""

    wrong_field: ClassVar[str] = "work_id"
    work_id: str
    sample_id: str


class ScorecardUnfit(InvalidArgument):
    """The scores are for {scored}, and the scorecard has {criteria}."""

    wrong_field: ClassVar[str] = "scores"
    scored: tuple[str, ...]
    criteria: tuple[str, ...]


class AuditNotAllowed(FailedPrecondition):
    """{auditor} cannot audit work {work_id}: {why}."""

    auditor: str
    work_id: str
    why: str


class NothingToAudit(FailedPrecondition):
    """Nothing was done in queue {queue_id} in that time."""

    queue_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCriterion:
    """Criterion of a scorecard."""

    key: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSample(Entity):
    """Work to be audited."""

    ID_PREFIX: ClassVar[str] = "smp"

    queue_id: str
    start_time: datetime
    end_time: datetime
    seed: int
    size: int
    criteria: tuple[ScoreCriterion, ...]
    work_ids: tuple[str, ...]
    population: int

    def audit(self, draft: Audit, *, auditor: str, agent_id: str, is_own: bool) -> Audit:
        """Scores by somebody who may give them."""
        if draft.work_id not in self.work_ids:
            raise AuditOutsideSample(work_id=draft.work_id, sample_id=self.id)
        if is_own:
            raise AuditNotAllowed(auditor=auditor, work_id=draft.work_id, why="it is their own work")
        scored, wanted = sorted(each.key for each in draft.scores), sorted(each.key for each in self.criteria)
        if scored != wanted:
            raise ScorecardUnfit(scored=tuple(scored), criteria=tuple(wanted))
        points = {each.key: each.points for each in draft.scores}
        total = sum(each.weight for each in self.criteria)
        mean = sum(points[each.key] * each.weight for each in self.criteria) / total
        return replace(draft, auditor=auditor, agent_id=agent_id, points=mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditScore:
    """Score of one criterion."""

    key: str
    points: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Entity):
    """Scores of one auditor for one piece of work."""

    ID_PREFIX: ClassVar[str] = "aud"

    sample_id: str
    work_id: str
    agent_id: str = ""
    auditor: str = ""
    scores: tuple[AuditScore, ...]
    points: float = 0.0
    note: str = ""

    def submit(self) -> Change[Audit]:
        """This audit, for good."""
        return self, []


def drawn(work: Iterable[tuple[str, str]], size: int, seed: int) -> tuple[str, ...]:
    """Ids of (agent, work) drawn at random, evenly over agents: one of each in turn until there are enough."""
    by_agent: dict[str, list[str]] = {}
    for agent_id, work_id in sorted(work):
        by_agent.setdefault(agent_id, []).append(work_id)
    generator = np.random.Generator(np.random.Philox(key=seed))
    by_agent = {agent: [some[n] for n in generator.permutation(len(some))] for agent, some in by_agent.items()}
    agents = [sorted(by_agent)[n] for n in generator.permutation(len(by_agent))]
    turns = (by_agent[agent][n] for n in range(size) for agent in agents if n < len(by_agent[agent]))
    return tuple(work_id for _, work_id in zip(range(size), turns))  # noqa: B905


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentScore:
    """Score of an agent in a sample."""

    agent_id: str
    audits: int
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorPair:
    """Agreement of two auditors."""

    first: str
    second: str
    both: int
    mean_difference: float
    kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Scores of a sample, and the agreement of its auditors."""

    sample_id: str
    audits: int
    missing: int
    agents: tuple[AgentScore, ...]
    calibration: tuple[AuditorPair, ...]


def result(sample: AuditSample, audits: Sequence[Audit]) -> AuditResult:
    """The scores of a sample, each piece of work counting once by the mean of its auditors."""
    by_work: dict[str, dict[str, Audit]] = {}
    for each in audits:
        by_work.setdefault(each.work_id, {})[each.auditor] = each
    by_agent: dict[str, list[float]] = {}
    for scored in by_work.values():
        agent = next(iter(scored.values())).agent_id
        by_agent.setdefault(agent, []).append(fmean(each.points for each in scored.values()))
    return AuditResult(
        sample_id=sample.id,
        audits=len(audits),
        missing=len(set(sample.work_ids) - by_work.keys()),
        agents=tuple(
            AgentScore(agent_id=agent, audits=len(points), points=fmean(points))
            for agent, points in sorted(by_agent.items())
        ),
        calibration=tuple(_pairs(by_work)),
    )


def _pairs(by_work: Mapping[str, Mapping[str, Audit]]) -> Iterable[AuditorPair]:
    auditors = sorted({auditor for scored in by_work.values() for auditor in scored})
    for first, second in combinations(auditors, 2):
        both = [
            (scored[first].points, scored[second].points)
            for scored in by_work.values()
            if first in scored and second in scored
        ]
        if both:
            yield AuditorPair(
                first=first,
                second=second,
                both=len(both),
                mean_difference=fmean(abs(a - b) for a, b in both),
                kappa=cohen_kappa([a >= PASS_POINTS for a, _ in both], [b >= PASS_POINTS for _, b in both]),
            )
