"""Cells: answers counted as they come in, from which every score is read without looking at a response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, InvalidArgument, Open, OpenEnum
from libs.statistics.estimates import Estimate, share_difference
from services.surveys.collection.domain.responses import COUNTED, Response
from services.surveys.questionnaires.domain.items import SCALES, Item, ItemType
from services.surveys.questionnaires.domain.surveys import SurveyVersion
from services.surveys.results.domain.scores import Metric, Score, Tally, net_promoters_difference, score
from services.surveys.sampling.domain.designs import weights

EVERYBODY = ""
"""Kind of the group that everybody is in."""
ITEM_TYPES: Mapping[Metric, ItemType] = {
    Metric.NPS: ItemType.NPS_0_10,
    Metric.CSAT: ItemType.CSAT_1_5,
    Metric.CES: ItemType.CES_1_7,
}


class MetricUnfit(InvalidArgument):
    """Item {item} is {type}: {metric} is read from {needed}."""

    wrong_field = "item"
    item: str
    type: str
    metric: str
    needed: str


class Weighting(OpenEnum):
    """Weight of a response in a score."""

    DESIGN = "DESIGN"
    """One over the chance to be asked, or the weight that came with it."""
    NONE = "NONE"
    """Each counts once."""
    POST_STRATIFIED = "POST_STRATIFIED"
    """So that each stratum counts as it does among the customers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the responses to a survey."""

    wave: int = 0
    """All waves when 0."""
    dimension: str = EVERYBODY
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Answers that a cell counts."""

    survey_id: str
    item: Open[str]
    """Key of the item."""
    wording: int
    """Version in which the words of the item were first asked."""
    wave: int
    month: Open[str]
    """Month in which they were handed in, in UTC, such as `2026-03`."""
    dimension: Open[str] = EVERYBODY
    """Kind of the group, such as `tier`. Empty for everybody."""
    group: Open[str] = ""
    """Group within it, such as `A`."""
    stratum: Open[str] = ""
    """Stratum, so that its weight can be found when the field is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCell(Entity):
    """Answers at one place."""

    ID_PREFIX: ClassVar[str] = "cell"

    place: Place
    counts: Open[Mapping[str, int]] = field(default_factory=dict)
    """Answer → how many gave it."""
    weights: Open[Mapping[str, float]] = field(default_factory=dict)
    """Answer → sum of the weights of those who gave it."""
    squares: float = 0.0
    """Sum of the squares of all weights."""

    def add(self, answer: int, weight: float) -> Change[ScoreCell]:
        """With one answer more."""
        key = str(answer)
        return replace(
            self,
            counts={**self.counts, key: self.counts.get(key, 0) + 1},
            weights={**self.weights, key: self.weights.get(key, 0.0) + weight},
            squares=self.squares + weight * weight,
        ), []

    def tally(self, weighting: Weighting, factor: float = 1.0) -> Tally:
        """Its answers, weighted, each weight times a factor."""
        counts = {int(key): count for key, count in self.counts.items()}
        if weighting is Weighting.DESIGN:
            told = {int(key): weight for key, weight in self.weights.items()}
            return Tally(counts=counts, weights=told, squares=self.squares)
        return Tally(
            counts=counts,
            weights={key: count * factor for key, count in counts.items()},
            squares=sum(counts.values()) * factor * factor,
        )


def added_by(response: Response, version: SurveyVersion) -> Iterator[tuple[Place, int, float]]:
    """(place, answer, weight) of everything that a response adds."""
    if response.state not in COUNTED or response.complete_time is None:
        return
    scored = (*SCALES, ItemType.SCALE)
    groups = [(EVERYBODY, ""), ("mode", str(response.mode)), *response.labels.items()]
    groups += [("language", response.language)] if response.language else []
    for item in version.questionnaire.items:
        answer = response.answers.get(item.key)
        if item.type not in scored or answer is None or answer.number is None:
            continue
        for dimension, group in dict(groups).items():
            yield (
                Place(
                    survey_id=response.survey_id,
                    item=item.key,
                    wording=version.wordings.get(item.key, version.number),
                    wave=response.wave,
                    month=response.complete_time.strftime("%Y-%m"),
                    dimension=dimension,
                    group=group,
                    stratum=response.stratum,
                ),
                answer.number,
                response.weight,
            )


def pooled(cells: Sequence[ScoreCell], weighting: Weighting, sizes: Mapping[str, int]) -> Tally:
    """All answers together. StratumUncovered when weights are to be found and a stratum has none."""
    tally = Tally(counts={}, weights={})
    factors: Mapping[str, float] = {}
    if weighting is Weighting.POST_STRATIFIED:
        answered: dict[str, int] = {}
        for cell in cells:
            answered[cell.place.stratum] = answered.get(cell.place.stratum, 0) + sum(cell.counts.values())
        unknown = sorted(answered.keys() - sizes.keys())
        if unknown:
            raise InvalidArgument.field("strata", f"say how many customers are in {', '.join(unknown) or '(none)'}")
        factors = weights(sizes, answered)
    for cell in cells:
        tally = tally.plus(cell.tally(weighting, factors.get(cell.place.stratum, 1.0)))
    return tally


def require_fit(metric: Metric, item: Item) -> None:
    """MetricUnfit unless the item is asked on the scale of the score."""
    if item.type is not ITEM_TYPES[metric]:
        raise MetricUnfit(item=item.key, type=item.type, metric=metric, needed=ITEM_TYPES[metric])


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumSize:
    """The number of customers in a stratum."""

    stratum: str
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """A score in one month."""

    month: str
    wording: int
    """Version in which the words were first asked."""
    breaks: bool
    """True when the words changed since the point before, so that the two cannot be compared."""
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupComparison:
    """Two groups side by side."""

    first: Score
    second: Score
    difference: Estimate | None = None
    """First less second with its interval. None when one of them is suppressed, or the score is a mean."""
    significant: bool = False
    """True when the interval of the difference leaves out zero."""


def compared(metric: Metric, tallies: tuple[Tally, Tally], base_min: int) -> GroupComparison:
    """Two groups of answers side by side."""
    first, second = (score(metric, each, base_min=base_min) for each in tallies)
    difference: Estimate | None = None
    if first.estimate is not None and second.estimate is not None:
        if metric is Metric.NPS:
            difference = net_promoters_difference(*tallies)
        elif metric is Metric.CSAT:
            difference = share_difference(first.estimate, second.estimate)
    significant = difference is not None and (difference.lower > 0 or difference.upper < 0)
    return GroupComparison(first=first, second=second, difference=difference, significant=significant)


def by_wording(cells: Iterable[ScoreCell]) -> Mapping[tuple[str, int], list[ScoreCell]]:
    """(month, wording) → its cells, in the order of months."""
    found: dict[tuple[str, int], list[ScoreCell]] = {}
    for cell in sorted(cells, key=lambda each: (each.place.month, each.place.wording)):
        found.setdefault((cell.place.month, cell.place.wording), []).append(cell)
    return found
