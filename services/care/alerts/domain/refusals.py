"""The refusals of alerts."""

from __future__ import annotations

from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class AlertClosedAlready(FailedPrecondition):
    """Alert {alert_id} is closed as {outcome}."""

    alert_id: str
    outcome: str


class OutcomeNotOfPeople(InvalidArgument):
    """An alert is closed as SAVED or FALSE_ALARM, not as {outcome}: a customer who left is told by a churn record."""

    wrong_field: ClassVar[str] = "outcome"
    outcome: str


class KindNotOfPeople(InvalidArgument):
    """An alert of the kind {kind} is raised by the suite alone."""

    wrong_field: ClassVar[str] = "kind"
    kind: str
