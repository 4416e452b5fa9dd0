"""The refusals of leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from libs.chassis.domain import FailedPrecondition, InvalidArgument


class AttributeUnknown(InvalidArgument):
    """The form has no attribute {attribute}: {known}."""

    wrong_field: ClassVar[str] = "attributes"
    attribute: str
    known: Sequence[str]


class AttributeUnfit(InvalidArgument):
    """Attribute {attribute} takes {allowed}."""

    wrong_field: ClassVar[str] = "attributes"
    attribute: str
    allowed: str


class LeadMoveForbidden(FailedPrecondition):
    """Lead {lead_id} is {state}: {allowed}."""

    lead_id: str
    state: str
    allowed: str
