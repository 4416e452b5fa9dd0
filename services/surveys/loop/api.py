"""`LoopService`: alerts, findings, and a survey that is closed when respondents have heard."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date

from kehu.surveys.v1 import loop_pb2 as pb
from kehu.surveys.v1 import loop_pb2_grpc, questionnaires_pb2

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.surveys.loop.application import Loop
from services.surveys.loop.domain import AlertOutcome, Finding
from services.surveys.loop.store import LoopStore


class LoopApi(loop_pb2_grpc.LoopServiceServicer):
    """Serves `kehu.surveys.v1.LoopService`."""

    def __init__(self, store: LoopStore) -> None:
        self._loop = Loop(store)

    def ListAlerts(self, request: pb.ListAlertsRequest, _: object) -> pb.ListAlertsResponse:
        return to_page(self._loop.alerts(request.filter, PageRequest.of(request)), pb.ListAlertsResponse)

    def SettleAlert(self, request: pb.SettleAlertRequest, _: object) -> pb.Alert:
        outcome = field_of(request, "outcome", AlertOutcome)
        return to_proto(self._loop.settle(request.alert_id, outcome, request.case_id), pb.Alert)

    def CreateFinding(self, request: pb.CreateFindingRequest, _: object) -> pb.Finding:
        return to_proto(self._loop.find(field_of(request, "finding", Finding)), pb.Finding)

    def PlanAction(self, request: pb.PlanActionRequest, _: object) -> pb.Finding:
        due_date = field_of(request, "due_date", date, None)
        return to_proto(self._loop.plan(request.finding_id, request.action, request.owner, due_date), pb.Finding)

    def FinishAction(self, request: pb.FinishActionRequest, _: object) -> pb.Finding:
        return to_proto(self._loop.finish(request.finding_id), pb.Finding)

    def VerifyAction(self, request: pb.VerifyActionRequest, _: object) -> pb.Finding:
        return to_proto(self._loop.verify(request.finding_id, confirmed=request.confirmed), pb.Finding)

    def ListFindings(self, request: pb.ListFindingsRequest, _: object) -> pb.ListFindingsResponse:
        return to_page(self._loop.findings(request.survey_id, PageRequest.of(request)), pb.ListFindingsResponse)

    def GetLoopStatus(self, request: pb.GetLoopStatusRequest, _: object) -> pb.LoopStatus:
        return to_proto(self._loop.status(request.survey_id), pb.LoopStatus)

    def ShareResults(self, request: pb.ShareResultsRequest, _: object) -> questionnaires_pb2.Survey:
        return to_proto(self._loop.share(request.survey_id), questionnaires_pb2.Survey)

    def RecordThanks(self, request: pb.RecordThanksRequest, _: object) -> questionnaires_pb2.Survey:
        return to_proto(self._loop.thank(request.survey_id), questionnaires_pb2.Survey)

    def CloseSurvey(self, request: pb.CloseSurveyRequest, _: object) -> questionnaires_pb2.Survey:
        return to_proto(self._loop.close(request.survey_id), questionnaires_pb2.Survey)
