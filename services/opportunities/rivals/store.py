"""Moves of rivals by time, and the open deals that they touch."""

from __future__ import annotations

from libs.chassis.filtering import field
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.opportunities.deals.store import DealsStore
from services.opportunities.rivals.domain import RivalMove

MOVES = (Index(("-move_time",)), Index(("competitor", "-move_time")))


class RivalsStore:
    """Moves of rivals."""

    def __init__(self, database: Database, deals: DealsStore) -> None:
        self.deals = deals
        self.moves = database.collection(RivalMove, "rival_moves", indexes=MOVES)

    def list(self, competitor: str, request: PageRequest) -> Page[RivalMove]:
        """Moves of one rival or of all, the latest first."""
        where = field("competitor") == competitor if competitor else None
        return self.moves.page(where, request, order="-move_time")
