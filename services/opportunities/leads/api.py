"""`LeadsService`: who may become a customer, how promising each is, and what became of it."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import datetime

from kehu.common.v1.operation_pb2 import Operation
from kehu.common.v1.outcome_pb2 import RowOutcome
from kehu.opportunities.v1 import leads_pb2 as pb
from kehu.opportunities.v1 import leads_pb2_grpc

from libs.chassis.codec import field_of, merge, to_proto
from libs.chassis.domain import DomainError
from libs.chassis.operations import to_message
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.privacy import unmasked
from libs.chassis.status import status_of
from libs.chassis.store import Outcome
from libs.chassis.validation import inside, validate
from services.opportunities.leads.application import Forms, Leads, PastLead
from services.opportunities.leads.domain.filters import LeadFilter
from services.opportunities.leads.domain.forms import LeadForm
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.parts import DisqualifyReason, LeadOrder
from services.opportunities.leads.domain.touches import Touch
from services.opportunities.leads.store import LeadsStore


class LeadsApi(leads_pb2_grpc.LeadsServiceServicer):
    """Serves `kehu.opportunities.v1.LeadsService`."""

    def __init__(self, store: LeadsStore) -> None:
        self._forms, self._leads, self._operations = Forms(store), Leads(store), store.operations

    def CreateLeadForm(self, request: pb.CreateLeadFormRequest, _: object) -> pb.LeadForm:
        with inside("lead_form"):
            return to_proto(self._forms.create(field_of(request, "lead_form", LeadForm)), pb.LeadForm)

    def GetLeadForm(self, request: pb.GetLeadFormRequest, _: object) -> pb.LeadForm:
        return to_proto(self._forms.get(request.lead_form_id), pb.LeadForm)

    def ListLeadForms(self, request: pb.ListLeadFormsRequest, _: object) -> pb.ListLeadFormsResponse:
        return to_page(self._forms.list(PageRequest.of(request)), pb.ListLeadFormsResponse)

    def UpdateLeadForm(self, request: pb.UpdateLeadFormRequest, _: object) -> pb.LeadForm:
        def merged(current: LeadForm) -> LeadForm:
            return _checked_form(merge(LeadForm, current, request.lead_form, request.update_mask))

        with inside("lead_form"):
            updated = self._forms.update(request.lead_form.id, merged, revision=request.lead_form.revision)
            return to_proto(updated, pb.LeadForm)

    def CaptureLead(self, request: pb.CaptureLeadRequest, _: object) -> pb.Lead:
        with inside("lead"):
            return lead(self._leads.capture(field_of(request, "lead", Lead)))

    def ImportLeads(self, request: pb.ImportLeadsRequest, _: object) -> pb.ImportLeadsResponse:
        taken = self._leads.take([_row(row) for row in request.rows])
        return pb.ImportLeadsResponse(outcomes=map(_outcome, taken))

    def GetLead(self, request: pb.GetLeadRequest, _: object) -> pb.Lead:
        return lead(self._leads.get(request.lead_id))

    def ListLeads(self, request: pb.ListLeadsRequest, _: object) -> pb.ListLeadsResponse:
        order = field_of(request, "order", LeadOrder, None)
        found = self._leads.list(request.filter, request.lead_filter_id, order, PageRequest.of(request))
        return to_page(found, pb.ListLeadsResponse)

    def UpdateLead(self, request: pb.UpdateLeadRequest, _: object) -> pb.Lead:
        def merged(current: Lead) -> Lead:
            return _checked(current, merge(Lead, current, request.lead, request.update_mask))

        with inside("lead"):
            return lead(self._leads.update(request.lead.id, merged, revision=request.lead.revision))

    def ContactLead(self, request: pb.ContactLeadRequest, _: object) -> pb.Lead:
        at = field_of(request, "attempt_time", datetime, None)
        return lead(self._leads.contact(request.lead_id, at, revision=request.revision))

    def QualifyLead(self, request: pb.QualifyLeadRequest, _: object) -> pb.Lead:
        return lead(self._leads.qualify(request.lead_id, request.note, revision=request.revision))

    def DisqualifyLead(self, request: pb.DisqualifyLeadRequest, _: object) -> pb.Lead:
        reason = field_of(request, "reason", DisqualifyReason)
        return lead(self._leads.disqualify(request.lead_id, reason, request.note, revision=request.revision))

    def RecycleLead(self, request: pb.RecycleLeadRequest, _: object) -> pb.Lead:
        until = field_of(request, "recycle_time", datetime)
        return lead(self._leads.recycle(request.lead_id, until, request.note, revision=request.revision))

    def RecordTouch(self, request: pb.RecordTouchRequest, _: object) -> pb.Touch:
        with inside("touch"):
            return to_proto(self._leads.touch(field_of(request, "touch", Touch)), pb.Touch)

    def ListTouches(self, request: pb.ListTouchesRequest, _: object) -> pb.ListTouchesResponse:
        return to_page(self._leads.touches(request.subject_id, PageRequest.of(request)), pb.ListTouchesResponse)

    def GetLeadScore(self, request: pb.GetLeadScoreRequest, _: object) -> pb.LeadScore:
        return to_proto(self._leads.score(request.lead_id), pb.LeadScore)

    def LearnLeadModel(self, request: pb.LearnLeadModelRequest, _: object) -> Operation:
        self._forms.get(request.lead_form_id).inputs(request.attributes)
        return to_message(self._operations.start("learn_lead_model", request))

    def GetLeadModel(self, request: pb.GetLeadModelRequest, _: object) -> pb.LeadModel:
        return to_proto(self._leads.model(request.lead_form_id), pb.LeadModel)

    def ReportLeads(self, request: pb.ReportLeadsRequest, _: object) -> Operation:
        self._forms.get(request.lead_form_id).categories(request.attributes)
        return to_message(self._operations.start("report_leads", request))

    def SaveLeadFilter(self, request: pb.SaveLeadFilterRequest, _: object) -> pb.LeadFilter:
        with inside("lead_filter"):
            return to_proto(self._forms.save_filter(field_of(request, "lead_filter", LeadFilter)), pb.LeadFilter)

    def ListLeadFilters(self, request: pb.ListLeadFiltersRequest, _: object) -> pb.ListLeadFiltersResponse:
        return to_page(self._forms.filters(PageRequest.of(request)), pb.ListLeadFiltersResponse)


def lead(entity: Lead) -> pb.Lead:
    """The message of a lead."""
    return to_proto(entity, pb.Lead)


def _checked_form(changed: LeadForm) -> LeadForm:
    validate(to_proto(changed, pb.LeadForm))
    return changed


def _checked(current: Lead, changed: Lead) -> Lead:
    """A changed lead. What its author was shown masked and left alone stays as it is."""
    open_again = unmasked(current, changed, pb.Lead)
    validate(lead(open_again))
    return open_again


def _row(row: pb.ImportLeadsRequest.Row) -> PastLead | DomainError:
    """A row, or why it cannot be read: it must not spoil its neighbors."""
    try:
        return PastLead(
            lead=field_of(row, "lead", Lead),
            converted=field_of(row, "converted", bool, None),
            close_time=field_of(row, "close_time", datetime, None),
            disqualify_reason=field_of(row, "disqualify_reason", DisqualifyReason, None),
        )
    except DomainError as error:
        return error


def _outcome(taken: Outcome[Lead]) -> RowOutcome:
    return RowOutcome(
        id=taken.entity.id if taken.entity is not None else "",
        created=taken.created,
        error=status_of(taken.error) if taken.error is not None else None,
    )
