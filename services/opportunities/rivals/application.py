"""Rivals: recording what they do, and finding the deals that it touches."""

from __future__ import annotations

from dataclasses import replace

from libs.chassis import context, identity
from libs.chassis.paging import Page, PageRequest
from services.opportunities.rivals.domain import CounterPlay, RivalMove, counter_play
from services.opportunities.rivals.store import RivalsStore


class Rivals:
    """Moves of rivals."""

    def __init__(self, store: RivalsStore) -> None:
        self._store = store

    def sight(self, draft: RivalMove) -> RivalMove:
        """A new move."""
        now, actor = identity.now(), context.current().actor
        return self._store.moves.insert(lambda id: replace(draft, id=id).sight(now=now, actor=actor))

    def list(self, competitor: str, request: PageRequest) -> Page[RivalMove]:
        """Moves of one rival or of all, the latest first."""
        return self._store.list(competitor, request)

    def plays(self, move_id: str, request: PageRequest) -> Page[CounterPlay]:
        """What to do about a move, on each open deal that has the rival for a competitor."""
        move = self._store.moves.get(move_id)
        touched = self._store.deals.contested(move.competitor, move.product, request)
        return Page([counter_play(move, each) for each in touched.items], touched.next_page_token)
