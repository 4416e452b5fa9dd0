"""`StaffingService` and `CallsService`: agents that a load needs, and calls from ringing to the forecast."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from kehu.common.v1 import outcome_pb2
from kehu.interactions.v1 import calls_pb2, calls_pb2_grpc, staffing_pb2, staffing_pb2_grpc

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from libs.chassis.validation import validate
from services.interactions.callcenter.application.calls import Calls
from services.interactions.callcenter.application.staffings import Staffings
from services.interactions.callcenter.domain.calls import CallEvent
from services.interactions.callcenter.domain.forecasting import CallCount
from services.interactions.callcenter.domain.levels import ServiceSource
from services.interactions.callcenter.domain.staffing import AnswerTarget, Demand
from services.interactions.callcenter.store import CallcenterStore

T = TypeVar("T")


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


class CallsApi(calls_pb2_grpc.CallsServiceServicer):
    """Serves `kehu.interactions.v1.CallsService`."""

    def __init__(self, store: CallcenterStore) -> None:
        self._calls = Calls(store)

    def RecordCallEvents(
        self, request: calls_pb2.RecordCallEventsRequest, _: object
    ) -> calls_pb2.RecordCallEventsResponse:
        outcomes = self._calls.record([_row(CallEvent, each) for each in request.events])
        return calls_pb2.RecordCallEventsResponse(outcomes=map(_outcome, outcomes))

    def GetCall(self, request: calls_pb2.GetCallRequest, _: object) -> calls_pb2.Call:
        return to_proto(self._calls.get(request.call_id), calls_pb2.Call)

    def ListCalls(self, request: calls_pb2.ListCallsRequest, _: object) -> calls_pb2.ListCallsResponse:
        return to_page(self._calls.list(request.queue_id, PageRequest.of(request)), calls_pb2.ListCallsResponse)

    def PopScreen(self, request: calls_pb2.PopScreenRequest, _: object) -> calls_pb2.ScreenPop:
        return to_proto(self._calls.screen_pop(request.number), calls_pb2.ScreenPop)

    def GetServiceLevel(self, request: calls_pb2.GetServiceLevelRequest, _: object) -> calls_pb2.ServiceLevelReport:
        start, end = field_of(request, "start_time", datetime), field_of(request, "end_time", datetime)
        source = field_of(request, "source", ServiceSource, ServiceSource.CALLS)
        return to_proto(self._calls.service_level(request.queue_id, start, end, source), calls_pb2.ServiceLevelReport)

    def ImportCallCounts(
        self, request: calls_pb2.ImportCallCountsRequest, _: object
    ) -> calls_pb2.ImportCallCountsResponse:
        outcomes = self._calls.load([_row(CallCount, each) for each in request.counts])
        return calls_pb2.ImportCallCountsResponse(outcomes=map(_outcome, outcomes))

    def ForecastCalls(self, request: calls_pb2.ForecastCallsRequest, _: object) -> calls_pb2.CallForecast:
        found = self._calls.forecast(request.queue_id, field_of(request, "start_date", date), **_wishes(request))
        demand, targets = _demand(request), field_of(request, "targets", tuple[AnswerTarget, ...])
        if demand is not None:
            found = self._calls.staffed(found, demand, targets, request.shrinkage)
        return to_proto(found, calls_pb2.CallForecast)


def _wishes(request: calls_pb2.ForecastCallsRequest) -> dict[str, Any]:
    return {
        "days": request.days,
        "learn_days": request.learn_days,
        "time_zone": request.time_zone,
        "holidays": field_of(request, "holiday_dates", tuple[date, ...]),
    }


def _demand(request: calls_pb2.ForecastCallsRequest) -> Demand | None:
    """The calls that a forecast is staffed for. None when nobody said how long they take."""
    if not request.handling_time:
        return None
    patience = request.patience if request.HasField("patience") else None
    return Demand(handling_time=request.handling_time, patience=patience)


def _row(cls: type[T], message: Message) -> T | InvalidArgument:
    """A row of a batch, or what is wrong with it."""
    try:
        validate(message)
        return from_proto(cls, message)
    except InvalidArgument as error:
        return error


def _outcome(outcome: Outcome[Any]) -> outcome_pb2.RowOutcome:
    return outcome_pb2.RowOutcome(
        id=outcome.entity.id if outcome.entity is not None else "",
        created=outcome.created,
        error=status_of(outcome.error) if outcome.error is not None else None,
    )
