"""`AlertsService`: what has to be done about customers who may leave."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import alerts_pb2 as pb
from kehu.care.v1 import alerts_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.care.alerts.application.alerts import Alerts
from services.care.alerts.domain.alerts import AlertOutcome
from services.care.alerts.domain.rules import AlertKind, AlertRule
from services.care.alerts.store import AlertsStore


class AlertsApi(alerts_pb2_grpc.AlertsServiceServicer):
    """Serves `kehu.care.v1.AlertsService`."""

    def __init__(self, store: AlertsStore) -> None:
        self._alerts = Alerts(store)

    def GetAlert(self, request: pb.GetAlertRequest, _: object) -> pb.Alert:
        return to_proto(self._alerts.get(request.alert_id), pb.Alert)

    def ListAlerts(self, request: pb.ListAlertsRequest, _: object) -> pb.ListAlertsResponse:
        return to_page(self._alerts.list(request.filter, PageRequest.of(request)), pb.ListAlertsResponse)

    def ListCustomerAlerts(self, request: pb.ListCustomerAlertsRequest, _: object) -> pb.ListCustomerAlertsResponse:
        page = self._alerts.of_customer(request.customer_id, PageRequest.of(request))
        return to_page(page, pb.ListCustomerAlertsResponse)

    def RaiseAlert(self, request: pb.RaiseAlertRequest, _: object) -> pb.Alert:
        kind = field_of(request, "kind", AlertKind)
        return to_proto(self._alerts.raise_(request.customer_id, kind, request.explanation), pb.Alert)

    def AcknowledgeAlert(self, request: pb.AcknowledgeAlertRequest, _: object) -> pb.Alert:
        return to_proto(self._alerts.acknowledge(request.alert_id), pb.Alert)

    def AssignAlert(self, request: pb.AssignAlertRequest, _: object) -> pb.Alert:
        return to_proto(self._alerts.assign(request.alert_id, request.owner), pb.Alert)

    def CloseAlert(self, request: pb.CloseAlertRequest, _: object) -> pb.Alert:
        outcome = field_of(request, "outcome", AlertOutcome)
        return to_proto(self._alerts.close(request.alert_id, outcome, request.note), pb.Alert)

    def DefineAlertRule(self, request: pb.DefineAlertRuleRequest, _: object) -> pb.AlertRule:
        with inside("rule"):
            return to_proto(self._alerts.define_rule(field_of(request, "rule", AlertRule)), pb.AlertRule)

    def ListAlertRules(self, request: pb.ListAlertRulesRequest, _: object) -> pb.ListAlertRulesResponse:
        return to_page(self._alerts.rules(PageRequest.of(request)), pb.ListAlertRulesResponse)
