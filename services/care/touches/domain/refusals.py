"""The refusals of touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument, PermissionDenied


class TouchStateForbids(FailedPrecondition):
    """Touch {touch_id} is {state}, and that takes one that is {allowed}."""

    touch_id: str
    state: str
    allowed: Sequence[str]


class NeedNotAsked(InvalidArgument):
    """A task that was done asks what else can be done: tell the answer, or that there is nothing more."""

    wrong_field: ClassVar[str] = "more"


class ReportForged(PermissionDenied):
    """The report about touch {touch_id} is not signed by the sender of its channel."""

    touch_id: str


class UnsubscribeCodeUnknown(FailedPrecondition):
    """No message carries the code {code}: it may have been erased since."""

    code: str
