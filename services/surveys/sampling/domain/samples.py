"""Samples: a frame of customers, and who of them was drawn with which chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FailedPrecondition, InvalidArgument, OpenEnum
from services.surveys.questionnaires.domain.surveys import DesignMethod
from services.surveys.sampling.domain.designs import (
    Drawn,
    FrameTooSmall,
    draw,
    draw_by_size,
    draw_systematic,
    neyman,
    proportional,
)

FRAME_MAX = 9_000
"""Customers of a frame: it is drawn in one transaction."""


class FrameAlreadyDrawn(FailedPrecondition):
    """Sample {sample_id} was drawn with seed {seed}: make another sample for another draw."""

    sample_id: str
    seed: int


class FrameTooLarge(FailedPrecondition):
    """The frame of sample {sample_id} would have {frame_size} customers, and {allowed} are allowed: divide it."""

    sample_id: str
    frame_size: int
    allowed: int


class StratumMissing(InvalidArgument):
    """Nothing is said of stratum {stratum}, which {customers} customers of the frame are in: declare it."""

    wrong_field = "strata"
    stratum: str
    customers: int


class Allocation(OpenEnum):
    """Way in which a stratified sample is divided."""

    PROPORTIONAL = "PROPORTIONAL"
    """In proportion to the customers of each stratum."""
    NEYMAN = "NEYMAN"
    """So that the variance is least, by the deviations that the strata tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A part of the frame."""

    key: str
    deviation: float = 1.0
    """Standard deviation of what is measured, for an allocation that looks at it."""
    frame_size: int = 0
    """Customers in it, once it was drawn."""
    sample_size: int = 0
    """Of these drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Entity):
    """A frame, and how it is drawn from."""

    ID_PREFIX: ClassVar[str] = "smp"

    survey_id: str
    method: DesignMethod
    wave: int = 0
    sample_size: int = 0
    """Customers to be drawn. Of a census all are."""
    seed: int = 0
    """A draw with the same seed from the same frame gives the same customers."""
    allocation: Allocation = Allocation.PROPORTIONAL
    strata: tuple[Stratum, ...] = ()
    frame_size: int = 0
    draw_time: datetime | None = None

    def create(self, wave: int) -> Change[Sample]:
        """This sample, of a wave, without a frame as yet."""
        keys = [each.key for each in self.strata]
        if len(set(keys)) < len(keys):
            raise InvalidArgument.field("strata", "a key is there twice")
        if (self.method is DesignMethod.STRATIFIED) is not bool(keys):
            raise InvalidArgument.field("strata", "a stratified sample has strata, and no other has")
        if self.method is not DesignMethod.CENSUS and not self.sample_size:
            raise InvalidArgument.field("sample_size", "say how many are to be drawn, at least 1")
        created = Sample(
            id=self.id,
            survey_id=self.survey_id,
            method=self.method,
            wave=wave,
            sample_size=self.sample_size,
            seed=self.seed,
            allocation=self.allocation,
            strata=tuple(Stratum(key=each.key, deviation=each.deviation) for each in self.strata),
        )
        return created, [SampleCreated(sample=created)]

    def extend(self, customers: int) -> Change[Sample]:
        """With so many customers in its frame."""
        self.require_undrawn()
        if customers > FRAME_MAX:
            raise FrameTooLarge(sample_id=self.id, frame_size=customers, allowed=FRAME_MAX)
        extended = replace(self, frame_size=customers)
        return (extended, [SampleExtended(sample=extended)]) if extended != self else (self, [])

    def draw(self, drawn: Sequence[Drawn], now: datetime) -> Change[Sample]:
        """With the customers who were drawn."""
        self.require_undrawn()
        strata = tuple(
            replace(
                each,
                frame_size=sum(one.stratum == each.key for one in drawn),
                sample_size=sum(one.stratum == each.key and one.selected for one in drawn),
            )
            for each in self.strata
        )
        done = replace(
            self, strata=strata, sample_size=sum(each.selected for each in drawn), frame_size=len(drawn), draw_time=now
        )
        return done, [SampleDrawn(sample=done)]

    def require_undrawn(self) -> None:
        """FrameAlreadyDrawn for a sample whose customers are known."""
        if self.draw_time is not None:
            raise FrameAlreadyDrawn(sample_id=self.id, seed=self.seed)

    def choose(self, frame: Sequence[FrameEntry]) -> list[Drawn]:
        """Everybody of a frame with the chance of each, and who is drawn. Pure: the seed decides."""
        ids = [each.customer_id for each in frame]
        match self.method:
            case DesignMethod.CENSUS:
                return [Drawn(customer_id=each, stratum="", probability=1.0, selected=True) for each in ids]
            case DesignMethod.STRATIFIED:
                return self._choose_by_stratum(frame)
            case DesignMethod.SYSTEMATIC:
                return draw_systematic(sorted(ids), self.sample_size, seed=self.seed)
            case DesignMethod.PROPORTIONAL_TO_SIZE:
                return draw_by_size({each.customer_id: each.size for each in frame}, self.sample_size, seed=self.seed)
            case _:
                return draw(ids, self.sample_size, seed=self.seed)

    def _choose_by_stratum(self, frame: Sequence[FrameEntry]) -> list[Drawn]:
        members: dict[str, list[str]] = {each.key: [] for each in self.strata}
        for each in frame:
            if each.stratum not in members:
                others = sum(other.stratum == each.stratum for other in frame)
                raise StratumMissing(stratum=each.stratum or "(none)", customers=others)
            members[each.stratum].append(each.customer_id)
        if self.sample_size > len(frame):
            raise FrameTooSmall(frame_size=len(frame), sample_size=self.sample_size)
        sizes = {key: len(ids) for key, ids in members.items()}
        if self.allocation is Allocation.NEYMAN:
            counts = neyman(self.sample_size, sizes, {each.key: each.deviation for each in self.strata})
        else:
            counts = proportional(self.sample_size, sizes)
        return [
            one
            for key, ids in members.items()
            for one in draw(ids, min(counts[key], len(ids)), seed=self.seed, stratum=key)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameEntry(Entity):
    """A customer in a frame."""

    ID_PREFIX: ClassVar[str] = "frm"

    sample_id: str
    customer_id: str
    stratum: str = ""
    size: float = 0.0
    """Size to which the chance is proportional, for a design that looks at it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Kind of a group → group by which results are told apart, such as `tier` → `A`."""
    probability: float = 0.0
    selected: bool = False

    def place(self, given: FrameEntry) -> Change[FrameEntry]:
        """With what was said last."""
        return replace(
            self, customer_id=given.customer_id, stratum=given.stratum, size=given.size, labels=given.labels
        ), []

    def settle(self, drawn: Drawn) -> Change[FrameEntry]:
        """With its chance, and whether it was drawn."""
        return replace(self, probability=drawn.probability, selected=drawn.selected), []

    def erase(self) -> Change[FrameEntry]:
        """Without groups: the chance stays, because the weights of others rest on it."""
        return replace(self, labels={}), []


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvent(Event):
    """Something that happened to a sample. Carries it as it is afterwards."""

    sample: Sample


class SampleCreated(SampleEvent):
    """A sample was created."""


class SampleExtended(SampleEvent):
    """Customers were added to the frame of a sample."""


class SampleDrawn(SampleEvent):
    """A sample was drawn."""
