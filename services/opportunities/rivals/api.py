"""`RivalsService`: moves of rivals, and what to do about them."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.opportunities.v1 import rivals_pb2 as pb
from kehu.opportunities.v1 import rivals_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.opportunities.rivals.application import Rivals
from services.opportunities.rivals.domain import RivalMove
from services.opportunities.rivals.store import RivalsStore


class RivalsApi(rivals_pb2_grpc.RivalsServiceServicer):
    """Serves `kehu.opportunities.v1.RivalsService`."""

    def __init__(self, store: RivalsStore) -> None:
        self._rivals = Rivals(store)

    def RecordRivalMove(self, request: pb.RecordRivalMoveRequest, _: object) -> pb.RivalMove:
        return to_proto(self._rivals.sight(field_of(request, "move", RivalMove)), pb.RivalMove)

    def ListRivalMoves(self, request: pb.ListRivalMovesRequest, _: object) -> pb.ListRivalMovesResponse:
        return to_page(self._rivals.list(request.competitor, PageRequest.of(request)), pb.ListRivalMovesResponse)

    def ListCounterPlays(self, request: pb.ListCounterPlaysRequest, _: object) -> pb.ListCounterPlaysResponse:
        return to_page(self._rivals.plays(request.rival_move_id, PageRequest.of(request)), pb.ListCounterPlaysResponse)
