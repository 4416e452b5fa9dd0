"""`QualityService`: the worth of the work."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from kehu.interactions.v1 import quality_pb2 as pb
from kehu.interactions.v1 import quality_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.interactions.quality.application.figures import Figures
from services.interactions.quality.application.judgements import Judgements
from services.interactions.quality.domain.audits import Audit, ScoreCriterion
from services.interactions.quality.domain.charts import ChartKind, ChartPoint, chart, defect_rate
from services.interactions.quality.domain.reports import FieldReport, Probe
from services.interactions.quality.store import QualityStore


class QualityApi(quality_pb2_grpc.QualityServiceServicer):
    """Serves `kehu.interactions.v1.QualityService`."""

    def __init__(self, store: QualityStore) -> None:
        self._figures, self._judgements = Figures(store), Judgements(store)

    def GetFirstContactResolution(
        self, request: pb.GetFirstContactResolutionRequest, _: object
    ) -> pb.FirstContactResolution:
        found = self._figures.first_contacts(*_span(request), request.queue_id)
        return to_proto(found, pb.FirstContactResolution)

    def GetRepeatContacts(self, request: pb.GetRepeatContactsRequest, _: object) -> pb.RepeatContacts:
        return to_proto(self._figures.repeats(*_span(request), request.queue_id), pb.RepeatContacts)

    def GetCausePareto(self, request: pb.GetCauseParetoRequest, _: object) -> pb.CausePareto:
        return to_proto(self._figures.pareto(*_span(request), request.queue_id), pb.CausePareto)

    def GetControlChart(self, request: pb.GetControlChartRequest, _: object) -> pb.ControlChart:
        return to_proto(self._figures.control_chart(*_span(request), request.queue_id), pb.ControlChart)

    def DrawControlChart(self, request: pb.DrawControlChartRequest, _: object) -> pb.ControlChart:
        points = field_of(request, "points", tuple[ChartPoint, ...])
        center = request.center if request.HasField("center") else None
        return to_proto(chart(field_of(request, "kind", ChartKind), points, center), pb.ControlChart)

    def ComputeDefectRate(self, request: pb.ComputeDefectRateRequest, _: object) -> pb.DefectRate:
        return to_proto(defect_rate(request.defects, request.units, request.opportunities), pb.DefectRate)

    def GetChannelConsistency(self, request: pb.GetChannelConsistencyRequest, _: object) -> pb.ChannelConsistency:
        return to_proto(self._figures.consistency(*_span(request), request.queue_id), pb.ChannelConsistency)

    def GetPairedMetrics(self, request: pb.GetPairedMetricsRequest, _: object) -> pb.PairedMetrics:
        return to_proto(self._figures.paired(request.queue_id, *_span(request)), pb.PairedMetrics)

    def DrawAuditSample(self, request: pb.DrawAuditSampleRequest, _: object) -> pb.AuditSample:
        criteria = field_of(request, "criteria", tuple[ScoreCriterion, ...])
        wish: dict[str, Any] = {"size": request.size, "seed": request.seed, "criteria": criteria}
        return to_proto(self._judgements.draw(request.queue_id, *_span(request), **wish), pb.AuditSample)

    def GetAuditSample(self, request: pb.GetAuditSampleRequest, _: object) -> pb.AuditSample:
        return to_proto(self._judgements.sample(request.sample_id), pb.AuditSample)

    def SubmitAudit(self, request: pb.SubmitAuditRequest, _: object) -> pb.Audit:
        with inside("audit"):
            return to_proto(self._judgements.audit(field_of(request, "audit", Audit)), pb.Audit)

    def GetAuditResult(self, request: pb.GetAuditResultRequest, _: object) -> pb.AuditResult:
        return to_proto(self._judgements.result(request.sample_id), pb.AuditResult)

    def SubmitFieldReport(self, request: pb.SubmitFieldReportRequest, _: object) -> pb.FieldReport:
        return to_proto(self._judgements.report(field_of(request, "report", FieldReport)), pb.FieldReport)

    def ListFieldReports(self, request: pb.ListFieldReportsRequest, _: object) -> pb.ListFieldReportsResponse:
        return to_page(self._judgements.reports(request.queue_id, PageRequest.of(request)), pb.ListFieldReportsResponse)

    def GetMissingReports(self, request: pb.GetMissingReportsRequest, _: object) -> pb.MissingReports:
        start = field_of(request, "start_date", date)
        return to_proto(self._judgements.missing(start, request.weeks), pb.MissingReports)

    def RecordProbe(self, request: pb.RecordProbeRequest, _: object) -> pb.Probe:
        with inside("probe"):
            return to_proto(self._judgements.probe(field_of(request, "probe", Probe)), pb.Probe)

    def GetProbeReport(self, request: pb.GetProbeReportRequest, _: object) -> pb.ProbeReport:
        return to_proto(self._judgements.probed(*_span(request)), pb.ProbeReport)

    def GetVendorReport(self, request: pb.GetVendorReportRequest, _: object) -> pb.VendorReport:
        return to_proto(self._figures.vendor_report(request.vendor, *_span(request)), pb.VendorReport)


def _span(request: Any) -> tuple[datetime, datetime]:
    """The time that a request asks for."""
    return field_of(request, "start_time", datetime), field_of(request, "end_time", datetime)
