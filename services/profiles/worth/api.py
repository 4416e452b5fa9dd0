"""The methods of ProfilesService about what customers are worth."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from kehu.common.v1.operation_pb2 import Operation
from kehu.profiles.v1 import lifecycle_pb2
from kehu.profiles.v1 import worth_pb2 as pb

from libs.chassis.codec import at_path, from_proto, to_proto
from libs.chassis.domain import InvalidArgument
from libs.chassis.operations import Operations, to_message
from services.profiles.activity.domain.transactions import Money
from services.profiles.loyalty.application import Loyalty
from services.profiles.schedules.api import start_and_plan
from services.profiles.schedules.application import Schedules
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.outlook import CustomerWorth
from services.profiles.worth.application.rfm import RfmScores
from services.profiles.worth.application.tiers import Tiers
from services.profiles.worth.application.value import Value
from services.profiles.worth.domain.contribution import check_currency, check_time_zone
from services.profiles.worth.domain.measures import MEASURES, describe
from services.profiles.worth.domain.tiers import TierOverride, TierPolicy

M = TypeVar("M", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The part of a request that says which time."""

    start_time: datetime | None = None
    end_time: datetime | None = None


class WorthApi:
    """Measures, contribution, tiers, RFM, value, loyalty, and warnings."""

    _operations: Operations
    _schedules: Schedules

    def __init__(self, store: ProfilesStore) -> None:
        self._customer_worth = CustomerWorth(store)
        self._tiers = Tiers(store)
        self._rfm = RfmScores(store)
        self._value = Value(store)
        self._loyalty = Loyalty(store)

    # ----------------------------------------------------------------------------------- measures, contribution

    def ListMeasures(self, request: pb.ListMeasuresRequest, context: grpc.ServicerContext) -> pb.ListMeasuresResponse:
        return pb.ListMeasuresResponse(measures=[_answer(each, pb.Measure) for each in MEASURES])

    def DescribeMeasure(self, request: pb.DescribeMeasureRequest, context: grpc.ServicerContext) -> pb.Measure:
        return _answer(describe(request.name), pb.Measure)

    def GetContribution(self, request: pb.GetContributionRequest, context: grpc.ServicerContext) -> pb.Contribution:
        span = from_proto(_Span, request)
        found = self._customer_worth.contribution(request.customer_id, span.start_time, span.end_time)
        return _answer(found, pb.Contribution)

    def GetWalletShare(self, request: pb.GetWalletShareRequest, context: grpc.ServicerContext) -> pb.WalletShare:
        span = from_proto(_Span, request)
        spend = from_proto(Money, request.category_spend) if request.HasField("category_spend") else None
        found = self._customer_worth.wallet_share(
            request.customer_id,
            category_spend=spend,
            rank=request.brand_rank,
            brands=request.brand_count,
            start=span.start_time,
            end=span.end_time,
        )
        return _answer(found, pb.WalletShare)

    def GetDormancy(self, request: pb.GetDormancyRequest, context: grpc.ServicerContext) -> pb.Dormancy:
        return _answer(self._customer_worth.dormancy(request.customer_id, request.floor_days), pb.Dormancy)

    def GetEarlyWarning(self, request: pb.GetEarlyWarningRequest, context: grpc.ServicerContext) -> pb.EarlyWarning:
        return _answer(self._customer_worth.early_warning(request.customer_id), pb.EarlyWarning)

    def EvaluateLifecycles(
        self, request: lifecycle_pb2.EvaluateLifecyclesRequest, context: grpc.ServicerContext
    ) -> Operation:
        return start_and_plan(self._operations, self._schedules, "evaluate_lifecycles", request)

    # ---------------------------------------------------------------------------------------------------- tiers

    def CreateTierPolicy(self, request: pb.CreateTierPolicyRequest, context: grpc.ServicerContext) -> pb.TierPolicy:
        draft = _read(TierPolicy, request.tier_policy, "tier_policy")
        return _answer(self._tiers.create_policy(draft), pb.TierPolicy)

    def GetTierPolicy(self, request: pb.GetTierPolicyRequest, context: grpc.ServicerContext) -> pb.TierPolicy:
        return _answer(self._tiers.get_policy(request.tier_policy_id), pb.TierPolicy)

    def ListTierPolicies(
        self, request: pb.ListTierPoliciesRequest, context: grpc.ServicerContext
    ) -> pb.ListTierPoliciesResponse:
        page = self._tiers.list_policies(request)
        return pb.ListTierPoliciesResponse(
            tier_policies=[_answer(each, pb.TierPolicy) for each in page.items], next_page_token=page.next_page_token
        )

    def EvaluateTiers(self, request: pb.EvaluateTiersRequest, context: grpc.ServicerContext) -> Operation:
        self._tiers.get_policy(request.tier_policy_id)
        return to_message(self._operations.start("evaluate_tiers", request))

    def GetConcentrationReport(
        self, request: pb.GetConcentrationReportRequest, context: grpc.ServicerContext
    ) -> pb.ConcentrationReport:
        return _answer(self._tiers.report(request.evaluation_id), pb.ConcentrationReport)

    def GetTier(self, request: pb.GetTierRequest, context: grpc.ServicerContext) -> pb.TierStanding:
        return _answer(self._tiers.standing(request.customer_id), pb.TierStanding)

    def ListTierAssignments(
        self, request: pb.ListTierAssignmentsRequest, context: grpc.ServicerContext
    ) -> pb.ListTierAssignmentsResponse:
        page = self._tiers.list_assignments(request.filter, request)
        return pb.ListTierAssignmentsResponse(
            tier_assignments=[_answer(each, pb.TierAssignment) for each in page.items],
            next_page_token=page.next_page_token,
        )

    def OverrideTier(self, request: pb.OverrideTierRequest, context: grpc.ServicerContext) -> pb.TierAssignment:
        override = _read(TierOverride, request.override, "override")
        return _answer(self._tiers.override(request.customer_id, override, request.revision), pb.TierAssignment)

    # ---------------------------------------------------------------------------------------------- RFM, value

    def ComputeRfm(self, request: pb.ComputeRfmRequest, context: grpc.ServicerContext) -> Operation:
        return self._start("compute_rfm", request)

    def GetRfm(self, request: pb.GetRfmRequest, context: grpc.ServicerContext) -> pb.Rfm:
        return _answer(self._rfm.get(request.customer_id), pb.Rfm)

    def FitClvModel(self, request: pb.FitClvModelRequest, context: grpc.ServicerContext) -> Operation:
        return self._start("fit_clv_model", request)

    def GetClvReport(self, request: pb.GetClvReportRequest, context: grpc.ServicerContext) -> pb.ClvReport:
        return _answer(self._value.report(request.clv_model_id), pb.ClvReport)

    def GetClv(self, request: pb.GetClvRequest, context: grpc.ServicerContext) -> pb.Clv:
        return _answer(self._value.clv(request.customer_id), pb.Clv)

    def GetAliveProbability(
        self, request: pb.GetAliveProbabilityRequest, context: grpc.ServicerContext
    ) -> pb.AliveProbability:
        return _answer(self._value.alive(request.customer_id), pb.AliveProbability)

    def FitContractModel(self, request: pb.FitContractModelRequest, context: grpc.ServicerContext) -> Operation:
        return to_message(self._operations.start("fit_contract_model", request))

    # -------------------------------------------------------------------------------------------------- loyalty

    def ComputeLoyaltyMeasures(
        self, request: pb.ComputeLoyaltyMeasuresRequest, context: grpc.ServicerContext
    ) -> Operation:
        self._loyalty.measurable(request.segments)
        return self._start("compute_loyalty_measures", request)

    def GetLoyaltyMeasures(
        self, request: pb.GetLoyaltyMeasuresRequest, context: grpc.ServicerContext
    ) -> pb.LoyaltyMeasures:
        return _answer(self._loyalty.get(request.currency_code, request.month, request.segment), pb.LoyaltyMeasures)

    def ListLoyaltyMeasures(
        self, request: pb.ListLoyaltyMeasuresRequest, context: grpc.ServicerContext
    ) -> pb.ListLoyaltyMeasuresResponse:
        page = self._loyalty.list(request.currency_code, request, request.segment)
        return pb.ListLoyaltyMeasuresResponse(
            loyalty_measures=[_answer(each, pb.LoyaltyMeasures) for each in page.items],
            next_page_token=page.next_page_token,
        )

    def _start(
        self,
        kind: str,
        request: pb.ComputeRfmRequest | pb.FitClvModelRequest | pb.ComputeLoyaltyMeasuresRequest,
    ) -> Operation:
        """Start long work; what is wrong with its request is said now and not when somebody reads the outcome."""
        check_currency(request.currency_code)
        check_time_zone(request.time_zone)
        return to_message(self._operations.start(kind, request))


def _answer(value: object, message: type[M]) -> M:
    return to_proto(value, message)


def _read(cls: type[T], message: Message, field: str) -> T:
    """The value of a field of a request; complaints name the field."""
    try:
        return from_proto(cls, message)
    except InvalidArgument as error:
        raise at_path(field, error) from None
