"""`AdherenceService`: what managers see of attention."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import adherence_pb2 as pb
from kehu.care.v1 import adherence_pb2_grpc

from libs.chassis.codec import to_proto
from libs.chassis.paging import PageRequest, to_page
from services.care.adherence.application import Adherence
from services.care.adherence.store import AdherenceStore


class AdherenceApi(adherence_pb2_grpc.AdherenceServiceServicer):
    """Serves `kehu.care.v1.AdherenceService`."""

    def __init__(self, store: AdherenceStore) -> None:
        self._adherence = Adherence(store)

    def GetAdherence(self, request: pb.GetAdherenceRequest, _: object) -> pb.AdherenceReport:
        report = self._adherence.report(request.from_month, request.to_month, request.program_id)
        return to_proto(report, pb.AdherenceReport)

    def GetCoverageMap(self, request: pb.GetCoverageMapRequest, _: object) -> pb.CoverageMap:
        return to_proto(self._adherence.coverage(request.from_month, request.to_month), pb.CoverageMap)

    def ListPolicyReviews(self, request: pb.ListPolicyReviewsRequest, _: object) -> pb.ListPolicyReviewsResponse:
        return to_page(self._adherence.reviews(request.filter, PageRequest.of(request)), pb.ListPolicyReviewsResponse)
