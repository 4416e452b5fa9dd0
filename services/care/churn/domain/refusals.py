"""The refusals of churn."""

from __future__ import annotations

from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class ChurnReasonUnknown(InvalidArgument):
    """{reason_path} is no reason that is defined: {known}."""

    wrong_field: ClassVar[str] = "reason_path"
    reason_path: str
    known: tuple[str, ...]


class ChurnRecordedAlready(FailedPrecondition):
    """Customer {customer_id} left already, as {churn_record_id} tells, and has not come back since."""

    customer_id: str
    churn_record_id: str


class LostAhead(InvalidArgument):
    """A customer who leaves later has not left: give a time that is over."""

    wrong_field: ClassVar[str] = "lost_time"


class RetentionPolicyMissing(FailedPrecondition):
    """Nobody has said what winning back brings and costs: define the {policy}."""

    policy: str


class NotLost(FailedPrecondition):
    """Customer {customer_id} has not left, as far as churn records tell."""

    customer_id: str


class WinBackForbidden(FailedPrecondition):
    """Customer {customer_id} is not to be won back: {against}."""

    customer_id: str
    against: tuple[str, ...]


class WinBackEnded(FailedPrecondition):
    """Attempt {attempt_id} has ended: {state}."""

    attempt_id: str
    state: str


class MonthNotOver(InvalidArgument):
    """{month} is not over: it is reviewed from {first_day} on."""

    wrong_field: ClassVar[str] = "month"
    month: str
    first_day: str
