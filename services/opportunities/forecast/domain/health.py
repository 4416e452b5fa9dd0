"""Health of what is recorded: how far data decay and tools are used, by team and never by person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.history import DealState
from services.opportunities.pipelines.domain import Measure, Pipeline

PEOPLE_MIN: Final = 5
"""Owners that a team needs to be told by name. Smaller ones are told together (k-anonymity)."""
UNTOUCHED: Final = timedelta(days=30)
"""Time without any change after which a deal counts as untouched."""
REQUIRED_MAX: Final = 6
"""Kinds of information that a pipeline may require before recording costs more than it brings."""
FEEDS: Final = {
    Measure.AMOUNT: "forecast, coverage, simulation",
    Measure.CLOSE_DATE: "forecast, slipped deals, simulation",
    Measure.OWNER: "forecast by owner, quotas",
    Measure.LINES: "report by product",
    Measure.COMPETITORS: "report by competitor, moves of rivals",
    Measure.NEXT_STEP: "board, health",
}
"""Measure of a criterion → the features that it feeds. What is required and feeds none only costs time."""
_CHECKS: Final = ("without_amount", "without_close_date", "slipped", "without_next_step", "untouched")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamHealth:
    """Open deals of one team, and how many of them lack something."""

    team: str
    teams: int = 1
    """Teams in it: more than one when each alone has too few people to be told."""
    owners: int = 0
    open_deals: int = 0
    without_amount: int = 0
    without_close_date: int = 0
    slipped: int = 0
    without_next_step: int = 0
    """Deals without a next step, or with one whose time is over."""
    untouched: int = 0
    decay: float = 0.0
    """Share of the five checks that fail, over all open deals: 0 is well kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineHealth(Entity):
    """Health of the data of a pipeline, as of its last night."""

    ID_PREFIX: ClassVar[str] = "phe"

    pipeline_id: str
    health_time: datetime | None = None
    teams: tuple[TeamHealth, ...] = ()
    required: tuple[Measure, ...] = ()
    """Kinds of information that criteria of stages require."""
    feeding_nothing: tuple[Measure, ...] = ()
    """Those of them that feed no feature."""
    over_budget: bool = False
    """True when more is required than pays."""

    def renew(self, found: PipelineHealth) -> Change[PipelineHealth]:
        """As another night found it."""
        return replace(found, id=self.id, revision=self.revision, create_time=self.create_time), []


def health(pipeline: Pipeline, open_deals: Iterable[Deal], today: date, now: datetime) -> PipelineHealth:
    """The health of the open deals of a pipeline."""
    by_team: dict[str, list[Deal]] = {}
    for deal in open_deals:
        if deal.state is DealState.OPEN:
            by_team.setdefault(deal.team, []).append(deal)
    known = [(team, deals) for team, deals in sorted(by_team.items()) if _people(deals) >= PEOPLE_MIN]
    small = [deals for _, deals in sorted(by_team.items()) if _people(deals) < PEOPLE_MIN]
    told = [_team(team, deals, today, now) for team, deals in known]
    rest = [deal for deals in small for deal in deals]
    if _people(rest) >= PEOPLE_MIN:
        told.append(replace(_team("", rest, today, now), teams=len(small)))
    criteria = [each for stage in pipeline.stages for each in (*stage.entry_criteria, *stage.exit_criteria)]
    required = tuple(sorted({each.measure for each in criteria}))
    return PipelineHealth(
        id="",
        pipeline_id=pipeline.id,
        health_time=now,
        teams=tuple(told),
        required=required,
        feeding_nothing=tuple(each for each in required if each not in FEEDS),
        over_budget=len(required) > REQUIRED_MAX,
    )


def _people(deals: Sequence[Deal]) -> int:
    return len({deal.owner for deal in deals})


def _team(team: str, deals: Sequence[Deal], today: date, now: datetime) -> TeamHealth:
    found = TeamHealth(
        team=team,
        owners=_people(deals),
        open_deals=len(deals),
        without_amount=sum(deal.amount is None and deal.recurring is None for deal in deals),
        without_close_date=sum(deal.close_date is None for deal in deals),
        slipped=sum(deal.close_date is not None and deal.close_date < today for deal in deals),
        without_next_step=sum(_lacks_step(deal, now) for deal in deals),
        untouched=sum(deal.update_time is not None and deal.update_time <= now - UNTOUCHED for deal in deals),
    )
    failing = sum(getattr(found, name) for name in _CHECKS)
    return replace(found, decay=failing / (len(_CHECKS) * len(deals)))


def _lacks_step(deal: Deal, now: datetime) -> bool:
    step = deal.next_step
    return step is None or (step.due_time is not None and step.due_time < now)
