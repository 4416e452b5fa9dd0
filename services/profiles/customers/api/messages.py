"""Values into answers, customers as the caller may see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from google.protobuf.message import Message
from kehu.common.v1.outcome_pb2 import RowOutcome

from libs.chassis.codec import to_proto
from libs.chassis.domain import E
from libs.chassis.paging import Page, to_page
from libs.chassis.rpc.errors import status_of
from libs.chassis.store import Outcome
from services.profiles.customers.domain.customers import Customer
from services.profiles.privacy.application.access import shown

M = TypeVar("M", bound=Message)


def answer(value: object, message: type[M]) -> M:
    """The message of a value; a customer as the caller may see it."""
    return to_proto(_shown(value), message)


def answers(values: Iterable[object], message: type[M]) -> list[M]:
    """The messages of values, in their order."""
    return [answer(value, message) for value in values]


def answer_page(page: Page[Any], response: type[M]) -> M:
    """The response of a list, with customers as the caller may see them."""
    return to_page(replace(page, items=[_shown(each) for each in page.items]), response)


def outcomes(found: Iterable[Outcome[E]]) -> list[RowOutcome]:
    """The outcome of each row of a bulk request."""
    return [
        RowOutcome(
            id=outcome.entity.id if outcome.entity is not None else "",
            created=outcome.created,
            error=status_of(outcome.error) if outcome.error is not None else None,
        )
        for outcome in found
    ]


def _shown(value: object) -> object:
    return shown(value) if isinstance(value, Customer) else value
