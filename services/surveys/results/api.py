"""`ResultsService`: scores with their intervals, and what else responses tell."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.surveys.v1 import results_pb2 as pb
from kehu.surveys.v1 import results_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from services.surveys.results.application import Results
from services.surveys.results.domain.cells import Part, StratumSize, Weighting
from services.surveys.results.domain.reports import SufferingItems
from services.surveys.results.domain.scores import Metric
from services.surveys.results.store import ResultsStore


class ResultsApi(results_pb2_grpc.ResultsServiceServicer):
    """Serves `kehu.surveys.v1.ResultsService`."""

    def __init__(self, store: ResultsStore) -> None:
        self._results = Results(store)

    def GetScore(self, request: pb.GetScoreRequest, _: object) -> pb.Score:
        asked = (request.survey_id, request.item, field_of(request, "metric", Metric))
        part = Part(wave=request.wave, dimension=request.dimension, group=request.group)
        weighting = field_of(request, "weighting", Weighting, Weighting.DESIGN)
        strata = field_of(request, "strata", tuple[StratumSize, ...])
        return to_proto(self._results.score(*asked, part, weighting=weighting, strata=strata), pb.Score)

    def GetTrend(self, request: pb.GetTrendRequest, _: object) -> pb.GetTrendResponse:
        asked = (request.survey_id, request.item, field_of(request, "metric", Metric))
        points = self._results.trend(*asked, request.dimension, request.group)
        return pb.GetTrendResponse(points=[to_proto(each, pb.TrendPoint) for each in points])

    def CompareGroups(self, request: pb.CompareGroupsRequest, _: object) -> pb.GroupComparison:
        asked = (request.survey_id, request.item, field_of(request, "metric", Metric))
        found = self._results.compare(*asked, request.dimension, (request.first_group, request.second_group))
        return to_proto(found, pb.GroupComparison)

    def GetGapAnalysis(self, request: pb.GetGapAnalysisRequest, _: object) -> pb.Servqual:
        return to_proto(self._results.gaps(request.survey_id, request.wave), pb.Servqual)

    def GetImportancePerformance(self, request: pb.GetImportancePerformanceRequest, _: object) -> pb.Drivers:
        asked = (request.survey_id, request.satisfaction, tuple(request.items))
        return to_proto(self._results.importance(*asked, request.wave), pb.Drivers)

    def GetReliability(self, request: pb.GetReliabilityRequest, _: object) -> pb.Reliability:
        asked = (request.survey_id, tuple(request.items), request.wave, request.row)
        return to_proto(self._results.reliability(*asked), pb.Reliability)

    def GetResponseRate(self, request: pb.GetResponseRateRequest, _: object) -> pb.ResponseRate:
        return to_proto(self._results.response_rate(request.survey_id, request.wave), pb.ResponseRate)

    def EstimateSilentSufferers(self, request: pb.EstimateSilentSufferersRequest, _: object) -> pb.Silence:
        items = field_of(request, "items", SufferingItems)
        asked = (request.survey_id, items, request.base, request.customer_worth)
        found = self._results.silence(*asked, request.wave)
        return to_proto(found, pb.Silence) if found is not None else pb.Silence()

    def SetCodingFrame(self, request: pb.SetCodingFrameRequest, _: object) -> pb.CodingFrame:
        return to_proto(self._results.set_frame(request.survey_id, request.item, tuple(request.labels)), pb.CodingFrame)

    def CodeTexts(self, request: pb.CodeTextsRequest, _: object) -> pb.CodeTextsResponse:
        codes = {each.response_id: tuple(each.labels) for each in request.codes}
        return pb.CodeTextsResponse(texts=self._results.code(request.survey_id, request.item, codes))

    def GetAgreement(self, request: pb.GetAgreementRequest, _: object) -> pb.Agreement:
        return to_proto(self._results.agreement(request.survey_id, request.item), pb.Agreement)
