"""`ChurnService`: why customers left, who may be won back, and what every month came to."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from kehu.care.v1 import churn_pb2 as pb
from kehu.care.v1 import churn_pb2_grpc
from kehu.common.v1.operation_pb2 import Operation

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.operations import Operations, to_message
from libs.chassis.paging import PageRequest, to_page
from libs.chassis.validation import inside
from services.care.churn.application.churn import Churn
from services.care.churn.application.reviews import Reviews
from services.care.churn.application.winback import Offer, WinBack
from services.care.churn.domain.records import ChurnReasons, ChurnRecord
from services.care.churn.domain.winback import RetentionPolicy
from services.care.churn.store import ChurnStore


class ChurnApi(churn_pb2_grpc.ChurnServiceServicer):
    """Serves `kehu.care.v1.ChurnService`."""

    def __init__(self, store: ChurnStore, operations: Operations) -> None:
        self._churn, self._win_back, self._reviews = Churn(store), WinBack(store), Reviews(store)
        self._operations = operations

    def DefineChurnReasons(self, request: pb.DefineChurnReasonsRequest, _: object) -> pb.ChurnReasons:
        with inside("reasons"):
            draft = field_of(request, "reasons", ChurnReasons)
            return to_proto(self._churn.define_reasons(draft), pb.ChurnReasons)

    def GetChurnReasons(self, _request: pb.GetChurnReasonsRequest, _: object) -> pb.ChurnReasons:
        return to_proto(self._churn.reasons(), pb.ChurnReasons)

    def RecordChurn(self, request: pb.RecordChurnRequest, _: object) -> pb.ChurnRecord:
        with inside("record"):
            return to_proto(self._churn.record(field_of(request, "record", ChurnRecord)), pb.ChurnRecord)

    def GetChurnRecord(self, request: pb.GetChurnRecordRequest, _: object) -> pb.ChurnRecord:
        return to_proto(self._churn.get(request.churn_record_id), pb.ChurnRecord)

    def ListChurnRecords(self, request: pb.ListChurnRecordsRequest, _: object) -> pb.ListChurnRecordsResponse:
        return to_page(self._churn.list(request.filter, PageRequest.of(request)), pb.ListChurnRecordsResponse)

    def DefineRetentionPolicy(self, request: pb.DefineRetentionPolicyRequest, _: object) -> pb.RetentionPolicy:
        with inside("policy"):
            draft = field_of(request, "policy", RetentionPolicy)
            return to_proto(self._win_back.define_policy(draft), pb.RetentionPolicy)

    def GetRetentionPolicy(self, _request: pb.GetRetentionPolicyRequest, _: object) -> pb.RetentionPolicy:
        return to_proto(self._win_back.policy(), pb.RetentionPolicy)

    def EvaluateWinBack(self, request: pb.EvaluateWinBackRequest, _: object) -> pb.WinBackEstimate:
        return to_proto(self._win_back.evaluate(request.customer_id), pb.WinBackEstimate)

    def OfferWinBack(self, request: pb.OfferWinBackRequest, _: object) -> pb.WinBackAttempt:
        return to_proto(self._win_back.offer(from_proto(Offer, request)), pb.WinBackAttempt)

    def DeclineWinBack(self, request: pb.DeclineWinBackRequest, _: object) -> pb.WinBackAttempt:
        return to_proto(self._win_back.decline(request.attempt_id), pb.WinBackAttempt)

    def GetWinBackAttempt(self, request: pb.GetWinBackAttemptRequest, _: object) -> pb.WinBackAttempt:
        return to_proto(self._win_back.get(request.attempt_id), pb.WinBackAttempt)

    def ListWinBackAttempts(self, request: pb.ListWinBackAttemptsRequest, _: object) -> pb.ListWinBackAttemptsResponse:
        page = self._win_back.list(request.filter, PageRequest.of(request))
        return to_page(page, pb.ListWinBackAttemptsResponse)

    def ReviewLoyalty(self, request: pb.ReviewLoyaltyRequest, _: object) -> Operation:
        self._reviews.require_over(request.month)
        return to_message(self._operations.start("review_loyalty", request))

    def GetLoyaltyReview(self, request: pb.GetLoyaltyReviewRequest, _: object) -> pb.LoyaltyReview:
        return to_proto(self._reviews.get(request.month), pb.LoyaltyReview)

    def ListLoyaltyReviews(self, request: pb.ListLoyaltyReviewsRequest, _: object) -> pb.ListLoyaltyReviewsResponse:
        return to_page(self._reviews.list(PageRequest.of(request)), pb.ListLoyaltyReviewsResponse)
