"""Bulk requests: every row stands alone, so a wrong one does not spoil its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from libs.chassis.domain import Change, DomainError, E
from libs.chassis.store import Collection, Outcome

R = TypeVar("R")


def insert_rows(
    collection: Collection[E], rows: Sequence[tuple[str, R]], make: Callable[[R], Change[E]]
) -> list[Outcome[E]]:
    """Store what `make` makes of the rows, each given with its natural key, in one bulk write. The outcome of each row,
    in order. A row that `make` refuses has the refusal as its outcome."""
    refused: dict[int, Outcome[E]] = {}
    made: dict[int, Change[E]] = {}
    for i, (_, row) in enumerate(rows):
        try:
            made[i] = make(row)
        except DomainError as error:
            refused[i] = Outcome(error=error)
    stored = collection.insert_many(list(made.values()), keys=[rows[i][0] for i in made]) if made else []
    outcomes = refused | dict(zip(made, stored, strict=True))
    return [outcomes[i] for i in range(len(rows))]
