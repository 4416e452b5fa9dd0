"""The refusals of deals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument, PermissionDenied


class CloseTimeMissing(InvalidArgument):
    """A deal in stage {stage} has ended: tell when."""

    wrong_field: ClassVar[str] = "close_time"
    stage: str


class WaiverNotAllowed(PermissionDenied):
    """Waiving criteria needs the scope {scope}."""

    scope: str


class DealClosed(FailedPrecondition):
    """Deal {deal_id} is {state}: reopen it first."""

    deal_id: str
    state: str


class DealStillOpen(FailedPrecondition):
    """Deal {deal_id} is open, and only a closed one is reopened."""

    deal_id: str


class StageNotOpen(InvalidArgument):
    """Stage {stage} ends a deal or is retired: win or lose the deal, or choose another stage."""

    wrong_field: ClassVar[str] = "stage"
    stage: str


class CriteriaUnmet(FailedPrecondition):
    """Deal {deal_id} lacks {lacking}: fill that in, or have it waived."""

    deal_id: str
    lacking: Sequence[str]


class ClosedAhead(InvalidArgument):
    """The deal would close on {close_date}, but in {time_zone} it is {today}: a deal closes when it is decided."""

    wrong_field: ClassVar[str] = "close_time"
    close_date: str
    today: str
    time_zone: str


class HistoryRewritten(InvalidArgument):
    """The change would take effect at {effective_time}, outside of the last one at {last_time} and now."""

    wrong_field: ClassVar[str] = "effective_time"
    effective_time: datetime
    last_time: datetime


class RivalUnknown(InvalidArgument):
    """{rival} is none of the competitors of the deal: {competitors}."""

    wrong_field: ClassVar[str] = "lost_to"
    rival: str
    competitors: Sequence[str]
