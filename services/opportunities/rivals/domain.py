"""Moves of rivals: a lower price, a new product, and the answer that one has to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, OpenEnum
from services.opportunities.deals.domain.deals import Deal
from services.opportunities.deals.domain.terms import Money


class SightedAhead(InvalidArgument):
    """The move would be sighted at {move_time}, which is still to come."""

    wrong_field: ClassVar[str] = "move.move_time"
    move_time: datetime


class RivalMoveKind(OpenEnum):
    """Kind of a move of a rival."""

    PRICE = "PRICE"
    PRODUCT = "PRODUCT"
    CAMPAIGN = "CAMPAIGN"
    SERVICE = "SERVICE"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalMove(Entity):
    """Something that a rival did, and what to say or offer against it."""

    ID_PREFIX: ClassVar[str] = "riv"

    competitor: str
    product: str = ""
    kind: RivalMoveKind = RivalMoveKind.OTHER
    text: str = ""
    counter_play: str = ""
    move_time: datetime | None = None
    actor: str = ""

    def sight(self, *, now: datetime, actor: str) -> Change[RivalMove]:
        """This move as a new one."""
        at = self.move_time or now
        if at > now:
            raise SightedAhead(move_time=at)
        sighted = replace(self, move_time=at, actor=actor)
        return sighted, [CompetitorSighted(move=sighted)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompetitorSighted(Event):
    """A move of a rival was recorded."""

    move: RivalMove


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterPlay:
    """Suggestion for one open deal that a move of a rival touches."""

    deal_id: str
    display_name: str
    owner: str
    stage: str
    amount: Money | None
    close_date: date | None
    counter_play: str
    strengths: tuple[str, ...]
    weaknesses: tuple[str, ...]


def counter_play(move: RivalMove, deal: Deal) -> CounterPlay:
    """What to do on a deal: the answer to the move, with what is known there of the rival."""
    rivals = [each for each in deal.competitors if each.name == move.competitor]
    return CounterPlay(
        deal_id=deal.id,
        display_name=deal.display_name,
        owner=deal.owner,
        stage=deal.stage,
        amount=deal.amount,
        close_date=deal.close_date,
        counter_play=move.counter_play,
        strengths=tuple(dict.fromkeys(text for each in rivals for text in each.strengths)),
        weaknesses=tuple(dict.fromkeys(text for each in rivals for text in each.weaknesses)),
    )
