"""Priority from impact and urgency, and the policy by which cases come back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from libs.chassis.domain import InvalidArgument
from services.interactions.cases.domain.refusals import PriorityOutOfRange


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityMatrix:
    """Priorities by impact (rows) and urgency (columns). 1 is the highest of all three."""

    rows: tuple[tuple[int, ...], ...] = ((1, 2, 3), (2, 3, 4), (3, 4, 4))

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows}
        if len(widths) != 1 or not widths.pop():
            raise InvalidArgument.field("rows", "every impact has a priority for each urgency")
        if any(priority < 1 for row in self.rows for priority in row):
            raise InvalidArgument.field("rows", "1 is the highest priority")

    def priority(self, impact: int, urgency: int) -> int:
        """The priority of an impact and an urgency. PriorityOutOfRange for others than those of the matrix."""
        for value, most in ((impact, len(self.rows)), (urgency, len(self.rows[0]))):
            if not 1 <= value <= most:
                raise PriorityOutOfRange(value=value, most=most)
        return self.rows[impact - 1][urgency - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePolicy:
    """Terms of a tenant under which cases close and come back."""

    reopen_window: timedelta = timedelta(days=14)
    """Time after its resolution in which a case that comes back is still the same one."""
    grace: timedelta = timedelta(days=7)
    """Silence after a resolution that closes a case."""
    raise_at_reopen: int = 2
    """Reopening at which the level is raised, once."""
