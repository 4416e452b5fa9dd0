"""`SlaService`: the clocks of cases explained, simulated and counted anew."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.interactions.v1 import sla_pb2 as pb
from kehu.interactions.v1 import sla_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.interactions.clocks.domain.policies import ServicePolicyVersion
from services.interactions.sla.application import Sla
from services.interactions.sla.store import SlaStore


class SlaApi(sla_pb2_grpc.SlaServiceServicer):
    """Serves `kehu.interactions.v1.SlaService`."""

    def __init__(self, store: SlaStore) -> None:
        self._sla = Sla(store)

    def ExplainClocks(self, request: pb.ExplainClocksRequest, _: object) -> pb.ExplainClocksResponse:
        explained = self._sla.explain(request.case_id, field_of(request, "time", datetime, None))
        return pb.ExplainClocksResponse(clocks=[to_proto(each, pb.ExplainedClock) for each in explained])

    def SimulateSla(self, request: pb.SimulateSlaRequest, _: object) -> pb.SimulateSlaResponse:
        start, end = (field_of(request, name, datetime) for name in ("start_time", "end_time"))
        with inside("version"):
            told = self._sla.simulate(field_of(request, "version", ServicePolicyVersion), start, end)
        simulated, actual = (to_proto(each, pb.SlaReport) for each in told)
        return pb.SimulateSlaResponse(simulated=simulated, actual=actual)

    def GetSlaReport(self, request: pb.GetSlaReportRequest, _: object) -> pb.SlaReport:
        start, end = (field_of(request, name, datetime) for name in ("start_time", "end_time"))
        return to_proto(self._sla.report(start, end), pb.SlaReport)

    def RefoldClocks(self, request: pb.RefoldClocksRequest, _: object) -> pb.Refolding:
        planned = self._sla.plan(policy_id=request.policy_id, calendar_id=request.calendar_id)
        return to_proto(planned, pb.Refolding)

    def GetRefolding(self, request: pb.GetRefoldingRequest, _: object) -> pb.Refolding:
        return to_proto(self._sla.get(request.refolding_id), pb.Refolding)

    def ListRefoldings(self, request: pb.ListRefoldingsRequest, _: object) -> pb.ListRefoldingsResponse:
        return to_page(self._sla.list(PageRequest.of(request)), pb.ListRefoldingsResponse)
