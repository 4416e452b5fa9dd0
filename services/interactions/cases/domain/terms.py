"""Terms of a tenant for its cases: priority from impact and urgency, and how cases close and come back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Final

from libs.chassis.domain import Change, Entity, Event, InvalidArgument
from services.interactions.cases.domain.refusals import PriorityOutOfRange


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityRow:
    """Priorities of an impact, by urgency."""

    priorities: tuple[int, ...]


MATRIX: Final = tuple(PriorityRow(priorities=each) for each in ((1, 2, 3), (2, 3, 4), (3, 4, 4)))
"""The usual priorities by impact (rows) and urgency (columns). 1 is the highest of all three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTerms(Entity):
    """Terms of a tenant under which cases close and come back."""

    ID_PREFIX: ClassVar[str] = "cat"

    reopen_window: timedelta = timedelta(days=14)
    """Time after its resolution in which a case that comes back is still the same one."""
    grace: timedelta = timedelta(days=7)
    """Silence after a resolution that closes a case."""
    raise_at_reopen: int = 2
    """Reopening at which the level is raised, once."""
    matrix: tuple[PriorityRow, ...] = MATRIX
    policy_id: str = ""
    """Service policy of cases that name none."""

    def set(self, wanted: CaseTerms) -> Change[CaseTerms]:
        """With what is wanted. InvalidArgument for a matrix that lacks a priority."""
        matrix = wanted.matrix or MATRIX
        if len({len(row.priorities) for row in matrix}) != 1:
            raise InvalidArgument.field("terms.matrix", "every impact has a priority for each urgency")
        if any(priority < 1 for row in matrix for priority in row.priorities):
            raise InvalidArgument.field("terms.matrix", "1 is the highest priority")
        became = replace(
            self,
            reopen_window=wanted.reopen_window,
            grace=wanted.grace,
            raise_at_reopen=wanted.raise_at_reopen,
            matrix=matrix,
            policy_id=wanted.policy_id,
        )
        return (became, [CaseTermsSet(terms=became)]) if became != self or not self.revision else (self, [])

    def priority(self, impact: int, urgency: int) -> int:
        """The priority of an impact and an urgency. PriorityOutOfRange for others than those of the matrix."""
        for name, value, most in (
            ("impact", impact, len(self.matrix)),
            ("urgency", urgency, len(self.matrix[0].priorities)),
        ):
            if not 1 <= value <= most:
                raise PriorityOutOfRange(part=name, value=value, most=most)
        return self.matrix[impact - 1].priorities[urgency - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseTermsSet(Event):
    """The terms of cases were set."""

    terms: CaseTerms
