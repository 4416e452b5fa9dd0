"""`CountsService`: interactions counted by channel."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.interactions.v1 import counts_pb2 as pb
from kehu.interactions.v1 import counts_pb2_grpc

from libs.chassis.codec import from_proto, to_proto
from services.interactions.counts.application import Counts
from services.interactions.counts.domain import CountRange
from services.interactions.counts.store import CountsStore


class CountsApi(counts_pb2_grpc.CountsServiceServicer):
    """Serves `kehu.interactions.v1.CountsService`."""

    def __init__(self, store: CountsStore) -> None:
        self._counts = Counts(store)

    def GetChannelCounts(self, request: pb.GetChannelCountsRequest, _: object) -> pb.GetChannelCountsResponse:
        counts = self._counts.by_channel(from_proto(CountRange, request))
        return pb.GetChannelCountsResponse(counts=[to_proto(each, pb.ChannelCount) for each in counts])
