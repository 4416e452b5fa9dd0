"""Churn records: why a customer left, which a customer has to have before it is counted as lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, OpenEnum
from services.care.churn.domain.refusals import ChurnReasonUnknown, LostAhead

HOUSE_REASONS: Final = (
    "competitor/better-offer",
    "competitor/exclusive",
    "need/gone",
    "need/moved-away",
    "price/too-high",
    "price/unclear",
    "product/quality",
    "product/missing",
    "relationship/contact-left",
    "relationship/neglected",
    "service/promise-broken",
    "service/slow",
    "other",
)
"""Reasons that may be recorded while nobody defined others."""
SATISFIED_WITHIN: Final = timedelta(days=365)
"""Age of an answer that still tells if a customer was satisfied."""


class ChurnSource(OpenEnum):
    """Way in which a reason to leave became known."""

    PERSON = "PERSON"
    SURVEY = "SURVEY"
    CONTRACT = "CONTRACT"
    INFERRED = "INFERRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnReasons(Entity):
    """The reasons to leave, as a tree."""

    ID_PREFIX: ClassVar[str] = "chs"

    paths: tuple[str, ...] = HOUSE_REASONS

    def define(self, paths: tuple[str, ...]) -> Change[ChurnReasons]:
        """With other reasons. What was recorded keeps its own."""
        defined = replace(self, paths=tuple(dict.fromkeys(paths)))
        return (self, []) if defined == self and self.revision else (defined, [ChurnReasonsDefined(reasons=defined)])

    def require(self, path: str) -> None:
        """Refuses a reason that is not one of these."""
        if path not in self.paths:
            raise ChurnReasonUnknown(reason_path=path, known=self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnRating:
    """Comparison of two companies in one respect, from 1 to 10."""

    aspect: str
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaver:
    """A customer who leaves."""

    tier: str
    satisfied_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnRecord(Entity):
    """Departure of a customer, with its reason."""

    ID_PREFIX: ClassVar[str] = "chr"

    customer_id: str
    reason_path: str
    competitor: str = ""
    recoverable: bool = False
    comparison: tuple[ChurnRating, ...] = ()
    source: ChurnSource
    note: str = ""
    lost_time: datetime | None = None
    recorded_by: str = ""
    tier: str = ""
    satisfied: bool = False
    open: bool = True
    won_back_time: datetime | None = None

    @property
    def reason_root(self) -> str:
        """The kind of reason."""
        return self.reason_path.partition("/")[0]

    def away_at(self, at: datetime) -> bool:
        """Tells if the customer had left by a time, and not come back."""
        left = self.lost_time is not None and self.lost_time < at
        return left and (self.won_back_time is None or self.won_back_time >= at)

    def record(self, leaver: Leaver, actor: str, now: datetime) -> Change[ChurnRecord]:
        """This record as a new one."""
        lost = self.lost_time or now
        if lost > now:
            raise LostAhead
        said = leaver.satisfied_time
        recorded = replace(
            self,
            lost_time=lost,
            recorded_by=actor,
            tier=leaver.tier,
            satisfied=said is not None and lost - SATISFIED_WITHIN <= said <= lost,
            open=True,
            won_back_time=None,
        )
        return recorded, [ChurnRecorded(record=recorded)]

    def come_back(self, at: datetime) -> Change[ChurnRecord]:
        """The customer came back."""
        if not self.open or (self.lost_time is not None and at < self.lost_time):
            return self, []
        back = replace(self, open=False, won_back_time=at)
        return back, [ChurnReversed(record=back)]

    def erase(self) -> Change[ChurnRecord]:
        """Without words."""
        if not self.note:
            return self, []
        erased = replace(self, note="")
        return erased, [ChurnRecordErased(record=erased)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnReasonsDefined(Event):
    """Tells which reasons there are to leave."""

    reasons: ChurnReasons


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnRecorded(Event):
    """Tells that a customer left, and why."""

    record: ChurnRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnReversed(Event):
    """Tells that a customer came back."""

    record: ChurnRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ChurnRecordErased(Event):
    """Tells that what is personal in a churn record was erased."""

    record: ChurnRecord
