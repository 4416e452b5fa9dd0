"""The parts that computations over all customers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from libs.chassis import identity
from libs.chassis.contention import attempts
from libs.chassis.domain import Change, E, InvalidArgument
from libs.chassis.store import Collection, Contention

BATCH = 1_000
"""Entities that are written at a time."""
ATTEMPTS: Final = 8
FIRST_PAUSE: Final = 0.01
"""Upper bound in seconds of the first pause between two attempts."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
"""Tells an entity that is to be stored from one that nothing happened to."""

A = TypeVar("A")


def moment_of(asked: datetime | None) -> datetime:
    """The moment that a request for a computation names, by default the present one."""
    now = identity.now()
    if asked is None:
        return now
    if asked > now:
        raise InvalidArgument.field("as_of_time", f"is {asked.isoformat()}, and it is {now.isoformat()} now")
    return asked


def in_batches(arguments: Sequence[A], write: Callable[[Sequence[A]], object]) -> None:
    """Write in batches. One that meets with another writer is written again, which changes nothing twice."""
    for start in range(0, len(arguments), BATCH):
        for attempt in attempts(ATTEMPTS, FIRST_PAUSE):
            try:
                write(arguments[start : start + BATCH])
                break
            except Contention:
                if attempt == ATTEMPTS:
                    raise


def insert(collection: Collection[E], changes: Sequence[Change[E]]) -> None:
    """Store entities that do not exist, without looking. One that another process was faster with stays as it is."""
    for start in range(0, len(changes), BATCH):
        batch = changes[start : start + BATCH]
        for outcome in collection.insert_many(batch, keys=[""] * len(batch)):
            if outcome.error is not None:
                raise outcome.error


def put(collection: Collection[E], entities: Sequence[E]) -> None:
    """Store entities of a projection under their ids, once or again."""
    pairs = [(replace(each, update_time=_NEVER), each) for each in entities]
    in_batches(pairs, lambda batch: collection.upsert_many(batch, lambda _, entity: (entity, [])))
