"""Moves of rivals, and what to do about them on the deals that they touch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kehu.opportunities.v1 import deals_pb2, rivals_pb2

from libs.chassis.domain import InvalidArgument, NotFound
from services.opportunities.rivals.domain import SightedAhead
from tests.unit.opportunities.conftest import NOW, Open, Sales


def sight(world: Sales, competitor: str = "Rival", **fields: Any) -> rivals_pb2.RivalMove:
    told = {"text": "ten percent off", "counter_play": "show what service costs there", **fields}
    request = rivals_pb2.RecordRivalMoveRequest(move=rivals_pb2.RivalMove(competitor=competitor, **told))
    return world.call(request, rivals_pb2.RivalMove)


def plays(world: Sales, move: str, **fields: Any) -> list[rivals_pb2.CounterPlay]:
    request = rivals_pb2.ListCounterPlaysRequest(rival_move_id=move, **fields)
    return [*world.call(request, rivals_pb2.ListCounterPlaysResponse).plays]


def rival(name: str = "Rival", **fields: Any) -> Any:
    return {"name": name, "weaknesses": ["slow delivery"], **fields}


def test_a_move_suggests_an_answer_on_every_open_deal_that_it_touches(world: Sales, opened: Open) -> None:
    touched = opened(competitors=[rival(), rival("Other")])
    opened(competitors=[rival("Other")])
    opened()
    lost = opened(competitors=[rival()])
    request = deals_pb2.LoseDealRequest(deal_id=lost.id, lost_reason="LOST_REASON_PRICE")
    world.call(request, deals_pb2.Deal)
    move = sight(world)
    [play] = plays(world, move.id)
    assert (play.deal_id, play.counter_play) == (touched.id, "show what service costs there")
    assert list(play.weaknesses) == ["slow delivery"]
    assert (play.owner, play.amount.minor_units) == ("ada", 100_000)
    assert world.events().count("competitor.sighted") == 1


def test_a_move_of_one_product_touches_deals_with_that_product(world: Sales, opened: Open) -> None:
    same = opened(competitors=[rival(product="Chair X")])
    unknown = opened(competitors=[rival()])
    opened(competitors=[rival(product="Desk Y"), rival("Other", product="Chair X")])
    found = plays(world, sight(world, product="Chair X").id)
    assert {each.deal_id for each in found} == {same.id, unknown.id}


def test_moves_are_listed_by_time_and_by_rival(world: Sales) -> None:
    early = sight(world, move_time=NOW - timedelta(days=3))
    late, other = sight(world), sight(world, "Other", move_time=NOW - timedelta(days=1))

    def listed(competitor: str = "") -> list[str]:
        request = rivals_pb2.ListRivalMovesRequest(competitor=competitor)
        return [each.id for each in world.call(request, rivals_pb2.ListRivalMovesResponse).moves]

    assert listed() == [late.id, other.id, early.id]
    assert listed("Rival") == [late.id, early.id]


def test_a_move_that_is_no_move_is_refused(world: Sales) -> None:
    with pytest.raises(SightedAhead):
        sight(world, move_time=NOW + timedelta(seconds=1))
    with pytest.raises(InvalidArgument, match="counter_play"):
        sight(world, counter_play="")
    with pytest.raises(NotFound):
        plays(world, "riv_01jd5w3k8e7r9s2t4v6x8y0z1a")
