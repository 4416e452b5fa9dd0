"""`SamplingService`: frames, draws, and whoever is asked."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from datetime import timedelta

from kehu.surveys.v1 import sampling_pb2 as pb
from kehu.surveys.v1 import sampling_pb2_grpc

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.surveys.sampling.application import NOBODY, Invitations, Samples
from services.surveys.sampling.domain.designs import plan
from services.surveys.sampling.domain.invitations import Circumstances, FatigueRule, Invitation, InvitationState
from services.surveys.sampling.domain.samples import FrameEntry, Sample


class SamplingApi(sampling_pb2_grpc.SamplingServiceServicer):
    """Serves `kehu.surveys.v1.SamplingService`."""

    def __init__(self, samples: Samples, invitations: Invitations) -> None:
        self._samples, self._invitations = samples, invitations

    def PlanSampleSize(self, request: pb.PlanSampleSizeRequest, _: object) -> pb.Plan:
        told = {name: getattr(request, name) for name in _PLANNED if getattr(request, name)}
        return to_proto(plan(**told), pb.Plan)

    def CreateSample(self, request: pb.CreateSampleRequest, _: object) -> pb.Sample:
        return to_proto(self._samples.create(field_of(request, "sample", Sample)), pb.Sample)

    def GetSample(self, request: pb.GetSampleRequest, _: object) -> pb.Sample:
        return to_proto(self._samples.get(request.sample_id), pb.Sample)

    def AddFrameEntries(self, request: pb.AddFrameEntriesRequest, _: object) -> pb.Sample:
        entries = field_of(request, "entries", tuple[FrameEntry, ...])
        return to_proto(self._samples.extend(request.sample_id, entries), pb.Sample)

    def DrawSample(self, request: pb.DrawSampleRequest, _: object) -> pb.Sample:
        return to_proto(self._samples.draw(request.sample_id), pb.Sample)

    def ListFrameEntries(self, request: pb.ListFrameEntriesRequest, _: object) -> pb.ListFrameEntriesResponse:
        page = self._samples.entries(request.sample_id, PageRequest.of(request), selected=request.selected)
        return to_page(page, pb.ListFrameEntriesResponse)

    def CheckEligibility(self, request: pb.CheckEligibilityRequest, _: object) -> pb.Eligibility:
        told = field_of(request, "circumstances", Circumstances, NOBODY)
        asked = (request.survey_id, request.customer_id, request.cause_ref, request.channel)
        return to_proto(self._invitations.check(*asked, told), pb.Eligibility)

    def InviteCustomer(self, request: pb.InviteCustomerRequest, _: object) -> pb.Invitation:
        told = field_of(request, "circumstances", Circumstances, NOBODY)
        return to_proto(self._invitations.invite(field_of(request, "invitation", Invitation), told), pb.Invitation)

    def InviteSample(self, request: pb.InviteSampleRequest, _: object) -> pb.Invited:
        told = {"channel": request.channel, "language": request.language}
        valid_for = field_of(request, "valid_for", timedelta, None)
        return to_proto(self._invitations.invite_sample(request.sample_id, **told, valid_for=valid_for), pb.Invited)

    def GetInvitation(self, request: pb.GetInvitationRequest, _: object) -> pb.Invitation:
        return to_proto(self._invitations.get(request.invitation_id), pb.Invitation)

    def ListInvitations(self, request: pb.ListInvitationsRequest, _: object) -> pb.ListInvitationsResponse:
        return to_page(self._invitations.list(request.filter, PageRequest.of(request)), pb.ListInvitationsResponse)

    def ListInvitationLinks(self, request: pb.ListInvitationLinksRequest, _: object) -> pb.ListInvitationLinksResponse:
        return to_page(self._invitations.links(request.filter, PageRequest.of(request)), pb.ListInvitationLinksResponse)

    def RecordDelivery(self, request: pb.RecordDeliveryRequest, _: object) -> pb.Invitation:
        outcome = field_of(request, "outcome", InvitationState)
        return to_proto(self._invitations.deliver(request.invitation_id, outcome), pb.Invitation)

    def RemindCustomer(self, request: pb.RemindCustomerRequest, _: object) -> pb.Invitation:
        return to_proto(self._invitations.remind(request.invitation_id), pb.Invitation)

    def GetFatigueRule(self, _request: pb.GetFatigueRuleRequest, _: object) -> pb.FatigueRule:
        return to_proto(self._invitations.fatigue_rule(), pb.FatigueRule)

    def SetFatigueRule(self, request: pb.SetFatigueRuleRequest, _: object) -> pb.FatigueRule:
        rule = field_of(request, "rule", FatigueRule)
        return to_proto(self._invitations.set_fatigue_rule(rule), pb.FatigueRule)


_PLANNED = ("margin", "frame_size", "response_rate", "proportion", "confidence")
