"""The methods of SchedulesService, and the start of long work that may be wanted again and again."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from copy import deepcopy
from functools import partial

import grpc
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import schedules_pb2 as pb
from kehu.profiles.v1.lifecycles_pb2 import EvaluateLifecyclesRequest
from kehu.profiles.v1.ownership_policies_pb2 import RunOwnershipPolicyRequest
from kehu.profiles.v1.schedules_pb2_grpc import SchedulesServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.operations import Operations, to_message
from services.profiles.schedules.application import Schedules

Repeatable = EvaluateLifecyclesRequest | RunOwnershipPolicyRequest


class SchedulesServicer(SchedulesServiceServicer):
    """Work that starts again and again."""

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    def GetSchedules(self, request: pb.GetSchedulesRequest, context: grpc.ServicerContext) -> pb.GetSchedulesResponse:
        return pb.GetSchedulesResponse(schedules=[to_proto(each, pb.Schedule) for each in self._schedules.list()])


class Repeats:
    """Starts long work, perhaps again every so many days."""

    def __init__(self, operations: Operations, schedules: Schedules) -> None:
        self._operations = operations
        self._schedules = schedules

    def start(self, kind: str, request: Repeatable) -> Operation:
        """The operation. When the request says every how many days, it is planned to start again."""
        every_days = field_of(request, "every_days", int, None)
        if every_days is None:
            return to_message(self._operations.start(kind, request))
        again = deepcopy(request)
        again.ClearField("every_days")
        again.ClearField("request_id")
        plan = partial(self._schedules.plan, kind, again.SerializeToString(deterministic=True), every_days)
        return to_message(self._operations.start(kind, request, along=plan))
