"""What computations over all customers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from libs.chassis import identity
from libs.chassis.contention import attempts
from libs.chassis.domain import Change, E, InvalidArgument
from libs.chassis.store import Collection, Contention

BATCH = 1_000
ATTEMPTS = 8
FIRST_PAUSE = 0.01
"""Upper bound in seconds of the first pause between two attempts."""


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
        for attempt in attempts(ATTEMPTS, FIRST_PAUSE):
            try:
                collection.fold(changes[start : start + BATCH])
                break
            except Contention:
                if attempt == ATTEMPTS:
                    raise


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
