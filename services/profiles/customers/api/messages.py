"""Values into answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message
from kehu.common.v1.outcome_pb2 import RowOutcome

from libs.chassis.codec import to_proto
from libs.chassis.domain import E
from libs.chassis.status import status_of
from libs.chassis.store import Outcome

M = TypeVar("M", bound=Message)


def answers(values: Iterable[object], message: type[M]) -> list[M]:
    """The messages of values, in their order."""
    return [to_proto(value, message) for value in values]


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
