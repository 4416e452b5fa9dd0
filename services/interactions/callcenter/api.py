"""`StaffingService`: agents that a load needs."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.interactions.v1 import staffing_pb2, staffing_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from services.interactions.callcenter.application import Staffings
from services.interactions.callcenter.domain.staffing import AnswerTarget, Demand


class StaffingApi(staffing_pb2_grpc.StaffingServiceServicer):
    """Serves `kehu.interactions.v1.StaffingService`."""

    def __init__(self) -> None:
        self._staffings = Staffings()

    def ComputeQueue(self, request: staffing_pb2.ComputeQueueRequest, _: object) -> staffing_pb2.QueueFigures:
        found = self._staffings.figures(field_of(request, "demand", Demand), request.agents, request.within)
        return to_proto(found, staffing_pb2.QueueFigures)

    def ComputeBlocking(
        self, request: staffing_pb2.ComputeBlockingRequest, _: object
    ) -> staffing_pb2.ComputeBlockingResponse:
        share = self._staffings.blocking(request.offered, request.agents)
        return staffing_pb2.ComputeBlockingResponse(blocking=share)

    def PlanStaffing(self, request: staffing_pb2.PlanStaffingRequest, _: object) -> staffing_pb2.PlanStaffingResponse:
        demands = field_of(request, "demands", tuple[Demand, ...])
        targets = field_of(request, "targets", tuple[AnswerTarget, ...])
        plan = self._staffings.plan(demands, targets, request.shrinkage)
        return to_proto(plan, staffing_pb2.PlanStaffingResponse)
