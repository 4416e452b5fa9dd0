"""`PressureService`: how much reaches a customer, and how much may."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.care.v1 import pressure_pb2 as pb
from kehu.care.v1 import pressure_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.validation import inside
from services.care.customers.domain.projection import Channel, ConsentPurpose
from services.care.pressure.application import ContactPressure
from services.care.pressure.domain import PressureRule
from services.care.pressure.store import PressureStore


class PressureApi(pressure_pb2_grpc.PressureServiceServicer):
    """Serves `kehu.care.v1.PressureService`."""

    def __init__(self, store: PressureStore) -> None:
        self._pressure = ContactPressure(store)

    def GetPressureRule(self, _request: pb.GetPressureRuleRequest, _: object) -> pb.PressureRule:
        return to_proto(self._pressure.rule(), pb.PressureRule)

    def SetPressureRule(self, request: pb.SetPressureRuleRequest, _: object) -> pb.PressureRule:
        with inside("rule"):
            return to_proto(self._pressure.set_rule(field_of(request, "rule", PressureRule)), pb.PressureRule)

    def CheckContactPressure(self, request: pb.CheckContactPressureRequest, _: object) -> pb.Standing:
        channel, purpose = field_of(request, "channel", Channel), field_of(request, "purpose", ConsentPurpose)
        at = field_of(request, "contact_time", datetime, None)
        return to_proto(self._pressure.check(request.customer_id, channel, purpose, at), pb.Standing)
