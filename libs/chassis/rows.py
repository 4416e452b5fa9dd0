"""Bulk requests: every row stands alone, so a wrong one does not spoil its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from libs.chassis.domain import DomainError, E
from libs.chassis.store import Outcome

R = TypeVar("R")
M = TypeVar("M")


def row_by_row(
    rows: Sequence[R | DomainError],
    make: Callable[[R], M],
    store: Callable[[Sequence[M]], Sequence[Outcome[E]]],
) -> list[Outcome[E]]:
    """Outcome of each row, in order.

    A row that could not be read comes as its error. That, or the refusal of `make`, is its outcome. What `make` made of
    the others is stored together.
    """
    refused: dict[int, Outcome[E]] = {}
    made: dict[int, M] = {}
    for number, row in enumerate(rows):
        try:
            if isinstance(row, DomainError):
                raise row
            made[number] = make(row)
        except DomainError as error:
            refused[number] = Outcome(error=error)
    stored = store([*made.values()]) if made else []
    outcomes = refused | dict(zip(made, stored, strict=True))
    return [outcomes[number] for number in range(len(rows))]
