"""What computations over all customers share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from libs.chassis import identity
from libs.chassis.domain import Change, E, InvalidArgument
from libs.chassis.store import Collection, Contention

BATCH = 1_000
_ATTEMPTS = 8


def moment_of(request: Any) -> datetime:
    """The moment that a request for a computation names, by default the present one."""
    now = identity.now()
    if not request.HasField("as_of_time"):
        return now
    asked: datetime = request.as_of_time.ToDatetime(tzinfo=UTC)
    if asked > now:
        raise InvalidArgument.field("as_of_time", f"is {asked.isoformat()}, and it is {now.isoformat()} now")
    return asked


def fold(collection: Collection[E], changes: Sequence[tuple[str, Callable[[E | None], Change[E]]]]) -> None:
    """Apply changes in portions; a portion that meets with another writer is run again, which changes nothing twice."""
    for start in range(0, len(changes), BATCH):
        for attempt in range(_ATTEMPTS):
            try:
                collection.fold(changes[start : start + BATCH])
                break
            except Contention:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311


def insert(collection: Collection[E], changes: Sequence[Change[E]]) -> None:
    """Store entities that do not exist, without looking; one that another process was faster with stays as it is."""
    for start in range(0, len(changes), BATCH):
        batch = changes[start : start + BATCH]
        for outcome in collection.insert_many(batch, keys=[""] * len(batch)):
            if outcome.error is not None:
                raise outcome.error


def put(collection: Collection[E], entity: E) -> E:
    """Store the entity under its id, once or again."""
    fold(collection, [(entity.id, lambda _: (entity, []))])
    return collection.get(entity.id)
