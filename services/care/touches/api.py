"""`TouchesService`: what comes to which customer when, and why something did not."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date

from kehu.care.v1 import programs_pb2, touches_pb2_grpc
from kehu.care.v1 import touches_pb2 as pb

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.care.touches.application.planning import Planning
from services.care.touches.application.simulation import Simulations
from services.care.touches.application.touches import Touches
from services.care.touches.domain.measurements import Measurement
from services.care.touches.domain.parts import DeliveryStatus, TaskOutcome
from services.care.touches.domain.touches import Touch
from services.care.touches.store import TouchesStore


class TouchesApi(touches_pb2_grpc.TouchesServiceServicer):
    """Serves `kehu.care.v1.TouchesService`."""

    def __init__(self, store: TouchesStore) -> None:
        self._touches, self._simulations, self._planning = Touches(store), Simulations(store), Planning(store)

    def SimulateProgram(self, request: pb.SimulateProgramRequest, _: object) -> pb.Simulation:
        start = field_of(request, "start_date", date, None)
        played = self._simulations.simulate(request.program_id, start, request.days, request.customer_limit)
        return to_proto(played, pb.Simulation)

    def ReviewProgram(self, request: pb.ReviewProgramRequest, _: object) -> pb.ReviewProgramResponse:
        program, played = self._simulations.review(request.program_id, request.days, request.customer_limit)
        return pb.ReviewProgramResponse(
            program=to_proto(program, programs_pb2.Program), simulation=to_proto(played, pb.Simulation)
        )

    def GetTouch(self, request: pb.GetTouchRequest, _: object) -> pb.Touch:
        return touch(self._touches.get(request.touch_id))

    def ListTouches(self, request: pb.ListTouchesRequest, _: object) -> pb.ListTouchesResponse:
        return to_page(self._touches.list(request.filter, PageRequest.of(request)), pb.ListTouchesResponse)

    def ListCustomerTouches(self, request: pb.ListCustomerTouchesRequest, _: object) -> pb.ListCustomerTouchesResponse:
        page = self._touches.of_customer(request.customer_id, PageRequest.of(request))
        return to_page(page, pb.ListCustomerTouchesResponse)

    def ExplainSuppression(self, request: pb.ExplainSuppressionRequest, _: object) -> pb.Explanation:
        return to_proto(self._touches.explain(request.touch_id), pb.Explanation)

    def SkipTouch(self, request: pb.SkipTouchRequest, _: object) -> pb.Touch:
        return touch(self._touches.skip(request.touch_id, request.reason))

    def ListTasks(self, request: pb.ListTasksRequest, _: object) -> pb.ListTasksResponse:
        return to_page(self._touches.tasks(request.assignee, PageRequest.of(request)), pb.ListTasksResponse)

    def CompleteTask(self, request: pb.CompleteTaskRequest, _: object) -> pb.Touch:
        outcome = field_of(request, "outcome", TaskOutcome)
        told = (request.note, request.more)
        return touch(self._touches.complete(request.touch_id, outcome, *told, nothing_more=request.nothing_more))

    def AssignTask(self, request: pb.AssignTaskRequest, _: object) -> pb.Touch:
        return touch(self._touches.assign(request.touch_id, request.assignee))

    def ReportDelivery(self, request: pb.ReportDeliveryRequest, _: object) -> pb.Touch:
        status = field_of(request, "status", DeliveryStatus)
        return touch(self._touches.report(request.touch_id, status, request.detail, request.signature))

    def Unsubscribe(self, request: pb.UnsubscribeRequest, _: object) -> pb.UnsubscribeResponse:
        return pb.UnsubscribeResponse(purpose=self._touches.unsubscribe(request.code).purpose)

    def ReportMeasurement(self, request: pb.ReportMeasurementRequest, _: object) -> pb.Measurement:
        return to_proto(self._planning.report(field_of(request, "measurement", Measurement)), pb.Measurement)


def touch(entity: Touch) -> pb.Touch:
    """The message of a touch."""
    return to_proto(entity, pb.Touch)
