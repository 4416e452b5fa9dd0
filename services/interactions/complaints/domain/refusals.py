"""Refusals of complaints."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class ComplaintMoveForbidden(FailedPrecondition):
    """{complaint_id} is {state} and cannot become {to}. From there it becomes: {allowed}."""

    complaint_id: str
    state: str
    to: str
    allowed: tuple[str, ...]


class AcknowledgementEmpty(InvalidArgument):
    """An acknowledgement says how the complaint is handled and by when. Missing: {missing}."""

    wrong_field: ClassVar[str] = "acknowledgement"

    missing: tuple[str, ...]


class TaxonomyRootMissing(InvalidArgument):
    """A taxonomy of complaints has these roots. Missing: {missing}."""

    wrong_field: ClassVar[str] = "taxonomy.paths"

    missing: tuple[str, ...]


class CauseUnknown(InvalidArgument):
    """{path} is not in version {version} of the taxonomy."""

    wrong_field: ClassVar[str] = "taxonomy_path"

    path: str
    version: int


class AttributionUnknown(InvalidArgument):
    """{value} is no {part} that is known: name one, or NOT_ATTRIBUTABLE."""

    wrong_field: ClassVar[str] = "attribution"

    value: str
    part: str


class RemedyNotApproved(FailedPrecondition):
    """{complaint_id} is answered with goodwill that is {state}: {goodwill_id} has to be posted first."""

    complaint_id: str
    goodwill_id: str
    state: str


class ComplaintTextMissing(InvalidArgument):
    """{text} is required: the customer is told how and why."""

    text: str


class QuietCustomerNotReached(FailedPrecondition):
    """{complaint_id} closes in silence only after its customer was reached out to once, and {grace_days} days more."""

    complaint_id: str
    grace_days: int


class ComplaintTimeUnfit(InvalidArgument):
    """{time} is before {before_time}, and a complaint goes on in time."""

    wrong_field: ClassVar[str] = "time"

    time: datetime
    before_time: datetime


class ComplaintFull(FailedPrecondition):
    """{complaint_id} cannot have more {part}: {limit} are the most."""

    complaint_id: str
    part: str
    limit: int
