"""The refusals of programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class ProgramStateForbids(FailedPrecondition):
    """Program {program_id} is {state}, and that takes one that is {allowed}."""

    program_id: str
    state: str
    allowed: Sequence[str]


class OverrideOver(InvalidArgument):
    """The override would expire at {expire_time}, which is over: give a later time."""

    wrong_field: ClassVar[str] = "expire_time"
    expire_time: datetime


class MergeFieldUnknown(InvalidArgument):
    """There is no merge field {name}: choose of {known}. Personal facts are never merged into a text."""

    wrong_field: ClassVar[str] = "body"
    name: str
    known: Sequence[str]


class OfferInCare(InvalidArgument):
    """{found} is a price or an offer, which has no place in {purpose}: leave it out, or ask for marketing."""

    wrong_field: ClassVar[str] = "body"
    found: str
    purpose: str


class PlanRepeated(InvalidArgument):
    """Tier {tier} has two plans: keep one."""

    wrong_field: ClassVar[str] = "plans"
    tier: str


class PlanIncomplete(InvalidArgument):
    """A {form} {problem}."""

    wrong_field: ClassVar[str] = "form"
    form: str
    problem: str
