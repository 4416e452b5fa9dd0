"""`ComplaintsService`: complaints after ISO 10002, from receipt to confirmation."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.interactions.v1 import cases_pb2, complaints_pb2_grpc, promises_pb2, remedies_pb2
from kehu.interactions.v1 import complaints_pb2 as pb

from libs.chassis.codec import field_of, to_proto
from libs.chassis.domain import DomainError
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from libs.worktime.terms import Term
from services.interactions.complaints.application import Complaints, PastComplaint
from services.interactions.complaints.domain.attribution import Attribution, Taxonomy
from services.interactions.complaints.domain.complaints import Complaint, ComplaintSeverity
from services.interactions.complaints.store import ComplaintsStore


class ComplaintsApi(complaints_pb2_grpc.ComplaintsServiceServicer):
    """Serves `kehu.interactions.v1.ComplaintsService`."""

    def __init__(self, store: ComplaintsStore) -> None:
        self._complaints = Complaints(store)

    def SetTaxonomy(self, request: pb.SetTaxonomyRequest, _: object) -> pb.Taxonomy:
        return to_proto(self._complaints.set_taxonomy(field_of(request, "taxonomy", Taxonomy)), pb.Taxonomy)

    def GetTaxonomy(self, _: pb.GetTaxonomyRequest, __: object) -> pb.Taxonomy:
        return to_proto(self._complaints.taxonomy(), pb.Taxonomy)

    def ReceiveComplaint(self, request: pb.ReceiveComplaintRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.receive(field_of(request, "complaint", Complaint)))

    def ImportComplaints(self, request: pb.ImportComplaintsRequest, _: object) -> pb.ImportComplaintsResponse:
        taken = self._complaints.take([_past(row) for row in request.rows])
        return pb.ImportComplaintsResponse(outcomes=map(_outcome, taken))

    def GetComplaint(self, request: pb.GetComplaintRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.get(request.complaint_id))

    def GetComplaintStory(self, request: pb.GetComplaintStoryRequest, _: object) -> pb.ComplaintStory:
        told, case, promises, goodwill = self._complaints.story(request.complaint_id)
        made = [to_proto(each, promises_pb2.Promise) for each in promises]
        given = [to_proto(each, remedies_pb2.Goodwill) for each in goodwill]
        parts = {"complaint": complaint(told), "case": to_proto(case, cases_pb2.Case)}
        return pb.ComplaintStory(**parts, promises=made, goodwill=given)  # type: ignore[arg-type]

    def ListComplaints(self, request: pb.ListComplaintsRequest, _: object) -> pb.ListComplaintsResponse:
        return to_page(self._complaints.list(request.filter, PageRequest.of(request)), pb.ListComplaintsResponse)

    def GetComplaintReport(self, request: pb.GetComplaintReportRequest, _: object) -> pb.ComplaintReport:
        start, end = (field_of(request, name, datetime) for name in ("start_time", "end_time"))
        return to_proto(self._complaints.report(start, end), pb.ComplaintReport)

    def GetSatisfaction(self, request: pb.GetSatisfactionRequest, _: object) -> pb.TimeToSatisfaction:
        start, end = (field_of(request, name, datetime) for name in ("start_time", "end_time"))
        return to_proto(self._complaints.satisfaction(start, end), pb.TimeToSatisfaction)

    def RateComplaint(self, request: pb.RateComplaintRequest, _: object) -> pb.Complaint:
        severity = field_of(request, "severity", ComplaintSeverity)
        return complaint(self._complaints.rate(request.complaint_id, severity, revision=request.revision))

    def AcknowledgeComplaint(self, request: pb.AcknowledgeComplaintRequest, _: object) -> pb.Complaint:
        term = field_of(request, "term", Term, None)
        told = self._complaints.acknowledge(request.complaint_id, request.plan, term, revision=request.revision)
        return complaint(told)

    def AssessComplaint(self, request: pb.AssessComplaintRequest, _: object) -> pb.Complaint:
        severity = field_of(request, "severity", ComplaintSeverity)
        attribution = field_of(request, "attribution", Attribution)
        put = (severity, request.scope, request.taxonomy_path, attribution)
        return complaint(self._complaints.assess(request.complaint_id, *put, revision=request.revision))

    def InvestigateComplaint(self, request: pb.InvestigateComplaintRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.investigate(request.complaint_id, revision=request.revision))

    def AddFinding(self, request: pb.AddFindingRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.find(request.complaint_id, request.finding, revision=request.revision))

    def ProposeRemedy(self, request: pb.ProposeRemedyRequest, _: object) -> pb.Complaint:
        answer = (request.decision, [*request.goodwill_ids])
        return complaint(self._complaints.propose(request.complaint_id, *answer, revision=request.revision))

    def AcceptRemedy(self, request: pb.AcceptRemedyRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.accept(request.complaint_id, revision=request.revision))

    def RejectRemedy(self, request: pb.RejectRemedyRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.reject(request.complaint_id, revision=request.revision))

    def AppealComplaint(self, request: pb.AppealComplaintRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.appeal(request.complaint_id, request.reason, revision=request.revision))

    def EngageRegulator(self, request: pb.EngageRegulatorRequest, _: object) -> pb.Complaint:
        handed = (request.complaint_id, request.regulator_ref)
        return complaint(self._complaints.hand_to_regulator(*handed, revision=request.revision))

    def CompleteRemedy(self, request: pb.CompleteRemedyRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.complete(request.complaint_id, request.feedback, revision=request.revision))

    def ConfirmComplaint(self, request: pb.ConfirmComplaintRequest, _: object) -> pb.Complaint:
        return complaint(self._complaints.confirm(request.complaint_id, revision=request.revision))


def complaint(entity: Complaint) -> pb.Complaint:
    """The message of a complaint."""
    return to_proto(entity, pb.Complaint)


def _past(row: pb.ImportComplaintsRequest.Row) -> PastComplaint | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbors."""
    try:
        return PastComplaint(
            source_key=row.source_key,
            complaint=field_of(row, "complaint", Complaint),
            customer_id=row.customer_id,
            received_time=field_of(row, "received_time", datetime),
            forwarded_time=field_of(row, "forwarded_time", datetime, None),
            taxonomy_path=row.taxonomy_path,
            attribution=field_of(row, "attribution", Attribution, None),
            decision=row.decision,
            timely=row.timely if row.HasField("timely") else None,
            disputed=row.disputed if row.HasField("disputed") else None,
        )
    except DomainError as error:
        return error


def _outcome(taken: Outcome[Complaint]) -> RowOutcome:
    return RowOutcome(
        id=taken.entity.id if taken.entity is not None else "",
        created=taken.created,
        error=status_of(taken.error) if taken.error is not None else None,
    )
