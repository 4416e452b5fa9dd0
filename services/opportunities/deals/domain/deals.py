"""Deals: from the first interest to won or lost, and perhaps back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, OpenEnum
from services.opportunities.deals.domain.history import (
    ChangeKind,
    ChangeStamp,
    DealChange,
    DealFacts,
    DealState,
    PastChange,
)
from services.opportunities.deals.domain.refusals import (
    ClosedAhead,
    CriteriaUnmet,
    DealClosed,
    DealStillOpen,
    HistoryRewritten,
    RivalUnknown,
    StageNotOpen,
)
from services.opportunities.deals.domain.terms import (
    ONE,
    Competitor,
    DealContact,
    Line,
    LostReason,
    Money,
    NextStep,
    Recurring,
    Split,
    check_amounts,
    check_splits,
)
from services.opportunities.pipelines.domain import (
    Criterion,
    ForecastCategory,
    Measure,
    Pipeline,
    Stage,
    StageKind,
    unmet,
)


class Side(OpenEnum):
    """Direction in which a criterion lets a deal pass."""

    EXIT = "EXIT"
    ENTRY = "ENTRY"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetCriterion:
    """A criterion of a stage that a deal does not meet."""

    stage: str
    side: Side
    criterion: Criterion
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Tells what a move to a stage would do, and what it lacks."""

    from_stage: str
    to_stage: str
    backward: bool
    skipped: tuple[str, ...] = ()
    unmet: tuple[UnmetCriterion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal(Entity):
    """Something that a customer may buy."""

    ID_PREFIX: ClassVar[str] = "deal"

    customer_id: str
    display_name: str
    pipeline_id: str
    pipeline_version: int = 0
    source_key: str = ""
    stage: str = ""
    state: DealState = DealState.OPEN
    category: ForecastCategory = ForecastCategory.PIPELINE
    amount: Money | None = None
    recurring: Recurring | None = None
    lines: tuple[Line, ...] = ()
    close_date: date | None = None
    probability_basis_points: int = 0
    manual_reason: str = ""
    manual_expire_time: datetime | None = None
    owner: str = ""
    team: str = ""
    territory: str = ""
    channel: str = ""
    splits: tuple[Split, ...] = ()
    contacts: tuple[DealContact, ...] = ()
    competitors: tuple[Competitor, ...] = ()
    needs: tuple[str, ...] = ()
    vision_agreed_time: datetime | None = None
    next_step: NextStep | None = None
    open_time: datetime | None = None
    stage_time: datetime | None = None
    close_time: datetime | None = None
    lost_reason: LostReason | None = None
    lost_to: str = ""
    lost_note: str = ""
    reopened: int = 0
    last_change: ChangeStamp | None = None
    unfiled: tuple[PastChange, ...] = ()
    """Changes before the last one that stand in the deal alone, the first one first."""
    erased: bool = False

    # ------------------------------------------------------------------------------------------------- beginning

    def open(self, pipeline: Pipeline, *, at: datetime, now: datetime, actor: str) -> Change[Deal]:
        """This deal as a new one, in the first stage of a pipeline or in the one that it names."""
        stage = pipeline.stage(self.stage) if self.stage else pipeline.first
        _require_open(stage)
        drafted = Deal(
            id=self.id,
            customer_id=self.customer_id,
            pipeline_id=pipeline.id,
            pipeline_version=pipeline.version,
            source_key=self.source_key,
            owner=self.owner or actor,
            display_name=self.display_name,
            **{name: getattr(self, name) for name in _WRITTEN if name not in ("owner", "display_name")},
        ).checked()
        opened = replace(drafted, open_time=at).in_stage(stage, at)
        opened = drafted.followed_by(opened, ChangeKind.CREATED, at, now, actor)
        return opened, [DealCreated(deal=opened)]

    def update(self, other: Deal, *, now: datetime, actor: str) -> Change[Deal]:
        """With what was written anew. What a closed deal was worth stays: it is reopened first."""
        updated = replace(self, **{name: getattr(other, name) for name in _WRITTEN}).checked()
        if updated == self:
            return self, []
        if updated.facts == self.facts:
            return updated, [DealUpdated(deal=updated)]
        self._require_open()
        updated = self.followed_by(updated, ChangeKind.UPDATED, now, now, actor)
        return updated, [DealUpdated(deal=updated)]

    # ----------------------------------------------------------------------------------------------------- moves

    def preview(self, pipeline: Pipeline, stage: str) -> Move:
        """Tells what a move would do and lacks. Who skips stages meets what all between ask to be left."""
        self._require_open()
        target = pipeline.stage(stage)
        _require_open(target)
        start, end = pipeline.place(self.stage), pipeline.place(stage)
        between = [each for each in pipeline.stages[start + 1 : end] if not each.retired]
        lacking: list[UnmetCriterion] = []
        if end > start:
            for each in (pipeline.stages[start], *between):
                lacking += self._unmet(each, Side.EXIT)
            lacking += self._unmet(target, Side.ENTRY)
        return Move(
            from_stage=self.stage,
            to_stage=stage,
            backward=end < start,
            skipped=tuple(each.key for each in between),
            unmet=tuple(lacking),
        )

    def move(
        self, pipeline: Pipeline, stage: str, *, at: datetime, now: datetime, actor: str, waive: bool = False
    ) -> Change[Deal]:
        """In another open stage. Nothing changes when it is there already. Steps back ask for nothing."""
        move = self.preview(pipeline, stage)
        if move.from_stage == stage:
            return self, []
        if move.unmet and not waive:
            raise CriteriaUnmet(
                deal_id=self.id, lacking=[f"{each.criterion.measure} ({each.stage} {each.side})" for each in move.unmet]
            )
        moved = replace(self, pipeline_version=pipeline.version).in_stage(pipeline.stage(stage), at)
        moved = self.followed_by(moved, ChangeKind.MOVED, at, now, actor, waived=bool(move.unmet))
        return moved, [DealStageChanged(deal=moved, from_stage=move.from_stage)]

    def win(self, pipeline: Pipeline, *, at: datetime, now: datetime, actor: str, waive: bool = False) -> Change[Deal]:
        """Won, on the day that it was in the zone of the pipeline."""
        stage = pipeline.ending(StageKind.WON)
        lacking = [*self._unmet(pipeline.stage(self.stage), Side.EXIT), *self._unmet(stage, Side.ENTRY)]
        if lacking and not waive:
            names = [f"{each.criterion.measure} ({each.stage} {each.side})" for each in lacking]
            raise CriteriaUnmet(deal_id=self.id, lacking=names)
        won = self._ended(pipeline, stage, at, now)
        won = self.followed_by(won, ChangeKind.WON, at, now, actor, waived=bool(lacking))
        return won, [DealWon(deal=won)]

    def lose(
        self,
        pipeline: Pipeline,
        reason: LostReason,
        *,
        to: str = "",
        note: str = "",
        at: datetime,
        now: datetime,
        actor: str,
    ) -> Change[Deal]:
        """Lost, with the reason, and to whom when a rival was the reason."""
        names = [each.name for each in self.competitors]
        if (to or reason is LostReason.COMPETITOR) and to not in names:
            raise RivalUnknown(rival=to or "nobody", competitors=names)
        lost = self._ended(pipeline, pipeline.ending(StageKind.LOST), at, now)
        lost = replace(lost, lost_reason=reason, lost_to=to, lost_note=note)
        lost = self.followed_by(lost, ChangeKind.LOST, at, now, actor)
        return lost, [DealLost(deal=lost)]

    def reopen(self, pipeline: Pipeline, stage: str, *, now: datetime, actor: str) -> Change[Deal]:
        """Open again, in a stage. That it was closed stays in its history, and in forecasts that told of it."""
        if self.state is DealState.OPEN:
            raise DealStillOpen(deal_id=self.id)
        target = pipeline.stage(stage) if stage else pipeline.first
        _require_open(target)
        reopened = replace(
            self,
            state=DealState.OPEN,
            pipeline_version=pipeline.version,
            close_date=None,
            close_time=None,
            lost_reason=None,
            lost_to="",
            lost_note="",
            reopened=self.reopened + 1,
        ).in_stage(target, now)
        reopened = self.followed_by(reopened, ChangeKind.REOPENED, now, now, actor)
        return reopened, [DealReopened(deal=reopened)]

    # ----------------------------------------------------------------------------------------------- probability

    def believe(self, points: int, reason: str, expire_time: datetime, *, now: datetime, actor: str) -> Change[Deal]:
        """With a probability that its owner gives, until it expires or the deal moves."""
        self._require_open()
        if expire_time <= now:
            raise InvalidArgument.field("expire_time", f"{expire_time.isoformat()} is over")
        believed = replace(self, probability_basis_points=points, manual_reason=reason, manual_expire_time=expire_time)
        believed = self.followed_by(believed, ChangeKind.PROBABILITY_SET, now, now, actor)
        return believed, [DealProbabilitySet(deal=believed)]

    def forget_belief(self, pipeline: Pipeline, *, now: datetime, actor: str) -> Change[Deal]:
        """With the probability of its stage again, once the one that its owner gave has expired."""
        if self.manual_expire_time is None or self.manual_expire_time > now:
            return self, []
        points = pipeline.stage(self.stage).probability_basis_points
        forgotten = replace(self, probability_basis_points=points, manual_reason="", manual_expire_time=None)
        forgotten = self.followed_by(forgotten, ChangeKind.PROBABILITY_SET, now, now, actor)
        return forgotten, [DealProbabilitySet(deal=forgotten)]

    def erase(self) -> Change[Deal]:
        """Without words: amounts, stages and dates stay for the books."""
        if self.erased:
            return self, []
        left = replace(
            self,
            display_name="",
            manual_reason="",
            manual_expire_time=None,
            needs=(),
            next_step=None,
            lost_note="",
            contacts=(),
            erased=True,
        )
        return left, [DealErased(deal=left)]

    # ------------------------------------------------------------------------------------------------- its parts

    @property
    def facts(self) -> DealFacts:
        """All that a forecast asks of it."""
        return DealFacts(
            state=self.state,
            stage=self.stage,
            amount=self.amount,
            recurring=self.recurring,
            close_date=self.close_date,
            probability_basis_points=self.probability_basis_points,
            owner=self.owner,
        )

    @property
    def changes(self) -> tuple[DealChange, ...]:
        """The rows of its history that stand in it, the first one first."""
        last = () if self.last_change is None else (PastChange(stamp=self.last_change, facts=self.facts),)
        return tuple(DealChange.of(self.id, each.stamp, each.facts) for each in (*self.unfiled, *last))

    @property
    def has_filed(self) -> bool:
        """True when its history has rows that do not stand in it."""
        return bool(self.changes) and self.changes[0].number > 1

    @property
    def measured(self) -> Mapping[Measure, int]:
        """The measures that criteria look at."""
        return {
            Measure.AMOUNT: self.amount.minor_units if self.amount is not None else 0,
            Measure.CLOSE_DATE: int(self.close_date is not None),
            Measure.OWNER: int(bool(self.owner)),
            Measure.LINES: len(self.lines),
            Measure.CONTACTS: len(self.contacts),
            Measure.COMPETITORS: len(self.competitors),
            Measure.NEEDS: len(self.needs),
            Measure.VISION_AGREED: int(self.vision_agreed_time is not None),
            Measure.NEXT_STEP: int(self.next_step is not None),
        }

    def _unmet(self, stage: Stage, side: Side) -> list[UnmetCriterion]:
        criteria = stage.exit_criteria if side is Side.EXIT else stage.entry_criteria
        measured = self.measured
        return [
            UnmetCriterion(stage=stage.key, side=side, criterion=each, measured=measured.get(each.measure, 0))
            for each in unmet(criteria, measured)
        ]

    def checked(self) -> Deal:
        """This deal with its amount worked out. Refuses amounts, lines and shares that make no sense."""
        check_splits(self.splits)
        lines = tuple(replace(each, thousandths=each.thousandths or ONE) for each in self.lines)
        return replace(self, amount=check_amounts(self.amount, self.recurring, lines), lines=lines)

    def in_stage(self, stage: Stage, at: datetime) -> Deal:
        """This deal in a stage, with the chance of the stage."""
        return replace(
            self,
            stage=stage.key,
            category=stage.category,
            probability_basis_points=stage.probability_basis_points,
            manual_reason="",
            manual_expire_time=None,
            stage_time=at,
        )

    def _ended(self, pipeline: Pipeline, stage: Stage, at: datetime, now: datetime) -> Deal:
        self._require_open()
        zone = ZoneInfo(pipeline.time_zone)
        closed, today = at.astimezone(zone).date(), now.astimezone(zone).date()
        if closed > today:
            raise ClosedAhead(close_date=closed.isoformat(), today=today.isoformat(), time_zone=pipeline.time_zone)
        state = DealState.WON if stage.kind is StageKind.WON else DealState.LOST
        ended = replace(self, state=state, close_date=closed, close_time=at, pipeline_version=pipeline.version)
        return ended.in_stage(stage, at)

    def followed_by(
        self, changed: Deal, kind: ChangeKind, at: datetime, now: datetime, actor: str, *, waived: bool = False
    ) -> Deal:
        """Another state of this deal, whose facts take effect after those of this one and not in the future."""
        last = self.last_change
        if at > now or (last is not None and at < last.effective_time):
            raise HistoryRewritten(effective_time=at, last_time=last.effective_time if last is not None else at)
        number = last.number + 1 if last is not None else 1
        stamp = ChangeStamp(number=number, kind=kind, effective_time=at, record_time=now, actor=actor, waived=waived)
        past = () if last is None else (PastChange(stamp=last, facts=self.facts),)
        return replace(changed, last_change=stamp, unfiled=(*self.unfiled, *past))

    def _require_open(self) -> None:
        if self.state is not DealState.OPEN:
            raise DealClosed(deal_id=self.id, state=self.state)


_WRITTEN = (
    "display_name",
    "amount",
    "recurring",
    "lines",
    "close_date",
    "owner",
    "team",
    "territory",
    "channel",
    "splits",
    "contacts",
    "competitors",
    "needs",
    "vision_agreed_time",
    "next_step",
)
"""The fields of a deal that people write."""


def _require_open(stage: Stage) -> None:
    if stage.kind is not StageKind.OPEN or stage.retired:
        raise StageNotOpen(stage=stage.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class DealEvent(Event):
    """Something that happened to a deal. Carries it as it is afterwards."""

    deal: Deal


class DealCreated(DealEvent):
    """A deal was opened."""


class DealUpdated(DealEvent):
    """A deal was written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DealStageChanged(DealEvent):
    """A deal moved to another stage."""

    from_stage: str


class DealWon(DealEvent):
    """A deal was won."""


class DealLost(DealEvent):
    """A deal was lost."""


class DealReopened(DealEvent):
    """A closed deal goes on."""


class DealProbabilitySet(DealEvent):
    """The probability of a deal was given by a person, or came back to that of its stage."""


class DealErased(DealEvent):
    """Personal fields of a deal were erased."""
