"""Pipelines: stages with their chances and criteria, in versions that keep the key of every stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar
from zoneinfo import available_timezones

from libs.chassis.domain import (
    Change,
    Entity,
    Event,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    OpenEnum,
)
from libs.money import CURRENCIES

CERTAIN = 10_000
"""Basis points of a probability of one."""


class StageUnknown(InvalidArgument):
    """Pipeline {pipeline_id} has no stage {stage}: it has {stages}."""

    wrong_field: ClassVar[str] = "stage"
    pipeline_id: str
    stage: str
    stages: Sequence[str]


class StageRemoved(FailedPrecondition):
    """Pipeline {pipeline_id} had the stages {stages}: keep their keys and mark them retired."""

    pipeline_id: str
    stages: Sequence[str]


class StageKind(OpenEnum):
    """Meaning of a stage for the deals in it."""

    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class ForecastCategory(OpenEnum):
    """Category in which a forecast counts the deals of a stage."""

    PIPELINE = "PIPELINE"
    BEST_CASE = "BEST_CASE"
    COMMIT = "COMMIT"
    CLOSED = "CLOSED"
    OMITTED = "OMITTED"


class Measure(OpenEnum):
    """Measure that a criterion looks at, as a whole number: an amount, a count, or 1 for something that is there."""

    AMOUNT = "AMOUNT"
    CLOSE_DATE = "CLOSE_DATE"
    OWNER = "OWNER"
    LINES = "LINES"
    CONTACTS = "CONTACTS"
    COMPETITORS = "COMPETITORS"
    NEEDS = "NEEDS"
    VISION_AGREED = "VISION_AGREED"
    NEXT_STEP = "NEXT_STEP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """Something that a deal must have before it enters or leaves a stage."""

    measure: Measure
    at_least: int = 1
    """Least value that meets it: minor units of the amount, or how many."""


def unmet(criteria: Iterable[Criterion], measured: Mapping[Measure, int]) -> tuple[Criterion, ...]:
    """The criteria that a deal with these measures does not meet, in their order."""
    return tuple(each for each in criteria if measured.get(each.measure, 0) < max(each.at_least, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A step of a pipeline. Its key stays the same for ever. Its name may change."""

    key: str
    display_name: str
    kind: StageKind = StageKind.OPEN
    category: ForecastCategory = ForecastCategory.PIPELINE
    probability_basis_points: int = 0
    entry_criteria: tuple[Criterion, ...] = ()
    exit_criteria: tuple[Criterion, ...] = ()
    greatest_age: timedelta | None = None
    retired: bool = False


class FiscalKind(OpenEnum):
    """Way in which a fiscal year is divided."""

    MONTHS = "MONTHS"
    WEEKS_445 = "WEEKS_445"
    WEEKS_454 = "WEEKS_454"
    WEEKS_544 = "WEEKS_544"


class YearEnd(OpenEnum):
    """Day on which a fiscal year of whole weeks ends, by its last month."""

    LAST = "LAST"
    """The last such weekday of the month."""
    NEAREST = "NEAREST"
    """The one nearest to the last day of the month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FiscalCalendar:
    """Fiscal years of a company: twelve months from any month on, or quarters of thirteen weeks."""

    kind: FiscalKind = FiscalKind.MONTHS
    first_month: int = 1
    end_weekday: int = 0
    """Weekday on which a year of weeks ends: 1 is Monday, 7 is Sunday, 0 stands for Saturday."""
    year_end: YearEnd = YearEnd.LAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline(Entity):
    """The stages that deals go through, in their order."""

    ID_PREFIX: ClassVar[str] = "pipe"

    display_name: str
    currency_code: str
    time_zone: str = "UTC"
    stages: tuple[Stage, ...] = ()
    fiscal: FiscalCalendar | None = None
    """Calendar years when there is none."""
    version: int = 0

    def create(self) -> Change[Pipeline]:
        """This pipeline as a new one. InvalidArgument names everything that is wrong with it."""
        self.check()
        created = replace(self, version=1, time_zone=self.time_zone or "UTC")
        return created, [PipelineCreated(pipeline=created)]

    def redefine(self, other: Pipeline) -> Change[Pipeline]:
        """The next version. Stages may be renamed, moved, added and retired, but their keys stay."""
        other.check()
        if removed := {each.key for each in self.stages} - {each.key for each in other.stages}:
            raise StageRemoved(pipeline_id=self.id, stages=sorted(removed))
        defined = replace(
            self,
            display_name=other.display_name,
            currency_code=other.currency_code,
            time_zone=other.time_zone or "UTC",
            stages=other.stages,
            fiscal=other.fiscal,
        )
        if defined == self:
            return self, []
        defined = replace(defined, version=self.version + 1)
        return defined, [PipelineRedefined(pipeline=defined)]

    def stage(self, key: str) -> Stage:
        """The stage of a key. StageUnknown for one of another pipeline."""
        for each in self.stages:
            if each.key == key:
                return each
        raise StageUnknown(pipeline_id=self.id, stage=key, stages=[each.key for each in self.stages])

    def ending(self, kind: StageKind) -> Stage:
        """The one stage of won or of lost deals."""
        return next(each for each in self.stages if each.kind is kind)

    @property
    def first(self) -> Stage:
        """The stage in which deals begin."""
        return next(each for each in self.stages if each.kind is StageKind.OPEN and not each.retired)

    def place(self, key: str) -> int:
        """The number of a stage in the order of the pipeline."""
        return self.stages.index(self.stage(key))

    def check(self) -> None:
        """Refuses an unsound pipeline with everything that is wrong."""
        if found := tuple(self.violations()):
            raise InvalidArgument(violations=found)

    def violations(self) -> Iterator[FieldViolation]:
        """Everything that makes the pipeline unsound."""
        if self.currency_code not in CURRENCIES:
            yield FieldViolation("currency_code", f"{self.currency_code!r} is no ISO 4217 code such as CNY")
        if self.time_zone and self.time_zone not in available_timezones():
            yield FieldViolation("time_zone", f"{self.time_zone!r} is no time zone such as Asia/Shanghai")
        if self.fiscal is not None and not 1 <= self.fiscal.first_month <= 12:
            yield FieldViolation("fiscal.first_month", f"{self.fiscal.first_month} is no month from 1 to 12")
        keys = [each.key for each in self.stages]
        for number, stage in enumerate(self.stages):
            if keys.index(stage.key) < number:
                yield FieldViolation(f"stages[{number}].key", f"{stage.key!r} is the key of another stage")
            yield from _wrong(f"stages[{number}]", stage)
        for kind in (StageKind.WON, StageKind.LOST):
            if sum(each.kind is kind for each in self.stages) != 1:
                yield FieldViolation("stages", f"exactly one stage is {kind}")
        if not any(each.kind is StageKind.OPEN and not each.retired for each in self.stages):
            yield FieldViolation("stages", "at least one stage in use is OPEN")


_ENDINGS = {
    StageKind.WON: (ForecastCategory.CLOSED, CERTAIN),
    StageKind.LOST: (ForecastCategory.OMITTED, 0),
}
"""Kind of an ending → the category and the probability that go with it."""


def _wrong(path: str, stage: Stage) -> Iterator[FieldViolation]:
    if not 0 <= stage.probability_basis_points <= CERTAIN:
        yield FieldViolation(f"{path}.probability_basis_points", f"must be from 0 to {CERTAIN}")
    if stage.kind in _ENDINGS:
        category, points = _ENDINGS[stage.kind]
        if (stage.category, stage.probability_basis_points) != (category, points):
            yield FieldViolation(f"{path}.category", f"a {stage.kind} stage is {category} with {points} basis points")
        if stage.retired:
            yield FieldViolation(f"{path}.retired", "deals always need a way to end")
    elif stage.category is ForecastCategory.CLOSED:
        yield FieldViolation(f"{path}.category", "only the WON stage is CLOSED")
    if stage.greatest_age is not None and stage.greatest_age <= timedelta(0):
        yield FieldViolation(f"{path}.greatest_age", "must be longer than nothing, or absent")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineVersion(Entity):
    """A pipeline as one of its versions had it. Never changed."""

    ID_PREFIX: ClassVar[str] = "pipv"

    pipeline: Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineEvent(Event):
    """Something that happened to a pipeline. Carries it as it is afterwards."""

    pipeline: Pipeline


class PipelineCreated(PipelineEvent):
    """A pipeline was created."""


class PipelineRedefined(PipelineEvent):
    """A pipeline got another version."""
