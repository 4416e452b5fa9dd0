"""`PlaysService`: what is done about alerts."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import plays_pb2 as pb
from kehu.care.v1 import plays_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.care.plays.application import Plays
from services.care.plays.domain import Play
from services.care.plays.store import PlaysStore


class PlaysApi(plays_pb2_grpc.PlaysServiceServicer):
    """Serves `kehu.care.v1.PlaysService`."""

    def __init__(self, store: PlaysStore) -> None:
        self._plays = Plays(store)

    def CreatePlay(self, request: pb.CreatePlayRequest, _: object) -> pb.Play:
        with inside("play"):
            return to_proto(self._plays.create(field_of(request, "play", Play)), pb.Play)

    def GetPlay(self, request: pb.GetPlayRequest, _: object) -> pb.Play:
        return to_proto(self._plays.get(request.play_id), pb.Play)

    def ListPlays(self, request: pb.ListPlaysRequest, _: object) -> pb.ListPlaysResponse:
        return to_page(self._plays.list(PageRequest.of(request)), pb.ListPlaysResponse)

    def RetirePlay(self, request: pb.RetirePlayRequest, _: object) -> pb.Play:
        return to_proto(self._plays.retire(request.play_id), pb.Play)

    def StartPlay(self, request: pb.StartPlayRequest, _: object) -> pb.PlayRun:
        return to_proto(self._plays.start(request.alert_id, request.play_id), pb.PlayRun)

    def GetPlayRun(self, request: pb.GetPlayRunRequest, _: object) -> pb.PlayRun:
        return to_proto(self._plays.run(request.play_run_id), pb.PlayRun)

    def ListPlayRuns(self, request: pb.ListPlayRunsRequest, _: object) -> pb.ListPlayRunsResponse:
        return to_page(self._plays.runs(request.filter, PageRequest.of(request)), pb.ListPlayRunsResponse)

    def GetPlayLift(self, request: pb.GetPlayLiftRequest, _: object) -> pb.PlayLift:
        return to_proto(self._plays.lift(request.play_id), pb.PlayLift)
