"""Refusals of everybody who changes a customer."""

from __future__ import annotations

from datetime import datetime

from libs.chassis.domain import AlreadyExists, FailedPrecondition


class CustomerIsDeleted(FailedPrecondition):
    """Customer {customer_id} is deleted: undelete it first."""

    customer_id: str


class CustomerMerged(FailedPrecondition):
    """Customer {customer_id} was merged into {survivor_id}: write to that one."""

    customer_id: str
    survivor_id: str


class CustomerUnderErasure(FailedPrecondition):
    """Customer {customer_id} is erased by {erasure_id}."""

    customer_id: str
    erasure_id: str


class LegalHoldForbids(FailedPrecondition):
    """A legal hold forbids to erase customer {customer_id}: release it first."""

    customer_id: str


class RestoreTooLate(FailedPrecondition):
    """Customer {customer_id} could be restored until {purge_time}."""

    customer_id: str
    purge_time: datetime


class CustomerNotDeleted(AlreadyExists):
    """Customer {customer_id} is not deleted."""

    customer_id: str
