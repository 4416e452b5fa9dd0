"""Refusals of cases."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class CaseMoveForbidden(FailedPrecondition):
    """{case_id} is {state} and cannot become {to}. From there it becomes: {allowed}."""

    case_id: str
    state: str
    to: str
    allowed: tuple[str, ...]


class CaseIncomplete(FailedPrecondition):
    """{case_id} cannot become {to} yet. Missing: {missing}."""

    case_id: str
    to: str
    missing: tuple[str, ...]


class CaseMerged(FailedPrecondition):
    """{case_id} was merged: go on in {survivor_id}."""

    case_id: str
    survivor_id: str


class CaseEnded(FailedPrecondition):
    """{case_id} is {state}: nothing more happens to it."""

    case_id: str
    state: str


class CaseOfAnotherCustomer(FailedPrecondition):
    """{case_id} and {other_id} belong to different customers."""

    case_id: str
    other_id: str


class CasePartUnknown(InvalidArgument):
    """{case_id} has no {part} {value}."""

    case_id: str
    part: str
    value: str


class CaseTextMissing(InvalidArgument):
    """{text} is required."""

    text: str


class CaseDone(FailedPrecondition):
    """{case_id} is {state}: reopen it before anything more is to be done."""

    case_id: str
    state: str


class CaseOnLoan(FailedPrecondition):
    """{case_id} is on loan to {agent_id} already: it comes back first."""

    case_id: str
    agent_id: str


class CaseStillWaits(FailedPrecondition):
    """{case_id} waits for the customer's word until {until_time}: only then does silence close it."""

    case_id: str
    until_time: datetime


class PriorityOutOfRange(InvalidArgument):
    """{value} is no {part} of the matrix: allowed are 1 to {most}."""

    wrong_field: ClassVar[str] = "case.impact"

    part: str
    value: int
    most: int


class CaseFull(FailedPrecondition):
    """{case_id} cannot have more {part}: {limit} are the most."""

    case_id: str
    part: str
    limit: int


class CaseRowUnfit(InvalidArgument):
    """{state} is not reached by a bulk change: allowed are {allowed}."""

    wrong_field: ClassVar[str] = "state"

    state: str
    allowed: tuple[str, ...]


class CaseStepsUnfit(InvalidArgument):
    """A step at {time} lies before the opening at {open_time}, or ahead of now: a past has happened."""

    wrong_field: ClassVar[str] = "steps"

    time: datetime
    open_time: datetime
