"""The methods of WorthService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import clv_pb2, lifecycles_pb2, measures_pb2, retention_pb2, rfm_pb2, tiers_pb2
from kehu.profiles.v1 import worth_pb2 as pb
from kehu.profiles.v1.worth_pb2_grpc import WorthServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from services.profiles.activity.domain.transactions import Money
from services.profiles.schedules.api import Repeats
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.application.rfm import RfmScores
from services.profiles.worth.application.tiers import Tiers
from services.profiles.worth.application.value import Value
from services.profiles.worth.domain.contribution import check_currency, check_time_zone
from services.profiles.worth.domain.measures import MEASURES, describe
from services.profiles.worth.domain.tiers import TierOverride, TierPolicy

Computation = TypeVar("Computation", rfm_pb2.ComputeRfmRequest, clv_pb2.FitClvModelRequest)


class WorthServicer(WorthServiceServicer):
    """Measures, contribution, tiers, recency, value, and warnings."""

    def __init__(
        self,
        *,
        customers: CustomerWorth,
        tiers: Tiers,
        rfm: RfmScores,
        value: Value,
        operations: Operations,
        repeats: Repeats,
    ) -> None:
        self._customers = customers
        self._tiers = tiers
        self._rfm = rfm
        self._value = value
        self._operations = operations
        self._repeats = repeats

    # ----------------------------------------------------------------------------------- measures, contribution

    def ListMeasures(
        self, request: measures_pb2.ListMeasuresRequest, context: grpc.ServicerContext
    ) -> measures_pb2.ListMeasuresResponse:
        return measures_pb2.ListMeasuresResponse(measures=[to_proto(each, measures_pb2.Measure) for each in MEASURES])

    def DescribeMeasure(
        self, request: measures_pb2.DescribeMeasureRequest, context: grpc.ServicerContext
    ) -> measures_pb2.Measure:
        return to_proto(describe(request.name), measures_pb2.Measure)

    def GetContribution(self, request: pb.GetContributionRequest, context: grpc.ServicerContext) -> pb.Contribution:
        found = self._customers.contribution(request.customer_id, *_span(request))
        return to_proto(found, pb.Contribution)

    def GetWalletShare(self, request: pb.GetWalletShareRequest, context: grpc.ServicerContext) -> pb.WalletShare:
        spend, (start, end) = field_of(request, "category_spend", Money, None), _span(request)
        rank, brands = request.brand_rank, request.brand_count
        found = self._customers.wallet_share(
            request.customer_id, category_spend=spend, rank=rank, brands=brands, start=start, end=end
        )
        return to_proto(found, pb.WalletShare)

    def GetDormancy(self, request: pb.GetDormancyRequest, context: grpc.ServicerContext) -> pb.Dormancy:
        return to_proto(self._customers.dormancy(request.customer_id, request.floor_days), pb.Dormancy)

    def GetEarlyWarning(self, request: pb.GetEarlyWarningRequest, context: grpc.ServicerContext) -> pb.EarlyWarning:
        return to_proto(self._customers.early_warning(request.customer_id), pb.EarlyWarning)

    def EvaluateLifecycles(
        self, request: lifecycles_pb2.EvaluateLifecyclesRequest, context: grpc.ServicerContext
    ) -> Operation:
        return self._repeats.start("evaluate_lifecycles", request)

    # ---------------------------------------------------------------------------------------------------- tiers

    def CreateTierPolicy(
        self, request: tiers_pb2.CreateTierPolicyRequest, context: grpc.ServicerContext
    ) -> tiers_pb2.TierPolicy:
        created = self._tiers.create_policy(field_of(request, "tier_policy", TierPolicy))
        return to_proto(created, tiers_pb2.TierPolicy)

    def GetTierPolicy(
        self, request: tiers_pb2.GetTierPolicyRequest, context: grpc.ServicerContext
    ) -> tiers_pb2.TierPolicy:
        return to_proto(self._tiers.get_policy(request.tier_policy_id), tiers_pb2.TierPolicy)

    def ListTierPolicies(
        self, request: tiers_pb2.ListTierPoliciesRequest, context: grpc.ServicerContext
    ) -> tiers_pb2.ListTierPoliciesResponse:
        return to_page(self._tiers.list_policies(PageRequest.of(request)), tiers_pb2.ListTierPoliciesResponse)

    def EvaluateTiers(self, request: tiers_pb2.EvaluateTiersRequest, context: grpc.ServicerContext) -> Operation:
        self._tiers.get_policy(request.tier_policy_id)
        return to_message(self._operations.start("evaluate_tiers", request))

    def GetConcentrationReport(
        self, request: tiers_pb2.GetConcentrationReportRequest, context: grpc.ServicerContext
    ) -> tiers_pb2.ConcentrationReport:
        return to_proto(self._tiers.report(request.evaluation_id), tiers_pb2.ConcentrationReport)

    def GetTier(self, request: tiers_pb2.GetTierRequest, context: grpc.ServicerContext) -> tiers_pb2.TierStanding:
        return to_proto(self._tiers.standing(request.customer_id), tiers_pb2.TierStanding)

    def ListTierAssignments(
        self, request: tiers_pb2.ListTierAssignmentsRequest, context: grpc.ServicerContext
    ) -> tiers_pb2.ListTierAssignmentsResponse:
        page = self._tiers.list_assignments(request.filter, PageRequest.of(request))
        return to_page(page, tiers_pb2.ListTierAssignmentsResponse)

    def OverrideTier(
        self, request: tiers_pb2.OverrideTierRequest, context: grpc.ServicerContext
    ) -> tiers_pb2.TierAssignment:
        override = field_of(request, "override", TierOverride)
        assigned = self._tiers.override(request.customer_id, override, request.revision)
        return to_proto(assigned, tiers_pb2.TierAssignment)

    # ------------------------------------------------------------------------------------------ recency, value

    def ComputeRfm(self, request: rfm_pb2.ComputeRfmRequest, context: grpc.ServicerContext) -> Operation:
        return to_message(self._operations.start("compute_rfm", _checked(request)))

    def GetRfm(self, request: rfm_pb2.GetRfmRequest, context: grpc.ServicerContext) -> rfm_pb2.Rfm:
        return to_proto(self._rfm.get(request.customer_id), rfm_pb2.Rfm)

    def FitClvModel(self, request: clv_pb2.FitClvModelRequest, context: grpc.ServicerContext) -> Operation:
        return to_message(self._operations.start("fit_clv_model", _checked(request)))

    def GetClvReport(self, request: clv_pb2.GetClvReportRequest, context: grpc.ServicerContext) -> clv_pb2.ClvReport:
        return to_proto(self._value.report(request.clv_model_id), clv_pb2.ClvReport)

    def GetClv(self, request: clv_pb2.GetClvRequest, context: grpc.ServicerContext) -> clv_pb2.Clv:
        return to_proto(self._value.clv(request.customer_id), clv_pb2.Clv)

    def GetAliveProbability(
        self, request: clv_pb2.GetAliveProbabilityRequest, context: grpc.ServicerContext
    ) -> clv_pb2.AliveProbability:
        return to_proto(self._value.alive(request.customer_id), clv_pb2.AliveProbability)

    def FitContractModel(
        self, request: retention_pb2.FitContractModelRequest, context: grpc.ServicerContext
    ) -> Operation:
        return to_message(self._operations.start("fit_contract_model", request))


def _span(request: Message) -> tuple[datetime | None, datetime | None]:
    """(start, end) of the window that a request asks for."""
    return field_of(request, "start_time", datetime, None), field_of(request, "end_time", datetime, None)


def _checked(request: Computation) -> Computation:
    """The request of a computation. Its currency and time zone are refused now and not when the outcome is read."""
    check_currency(request.currency_code)
    check_time_zone(request.time_zone)
    return request
