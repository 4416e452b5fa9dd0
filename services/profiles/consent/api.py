"""The methods of ConsentService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

import grpc
from kehu.profiles.v1 import consent_pb2 as pb
from kehu.profiles.v1.consent_pb2_grpc import ConsentServiceServicer

from libs.chassis.codec import field_of, from_proto, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.profiles.consent.application import Consents
from services.profiles.consent.domain.permission import SendQuestion
from services.profiles.customers.domain.consents import ConsentReceipt, Withdrawal


class ConsentServicer(ConsentServiceServicer):
    """Consent of customers, and permission to send."""

    def __init__(self, consents: Consents) -> None:
        self._consents = consents

    def RecordConsent(self, request: pb.RecordConsentRequest, context: grpc.ServicerContext) -> pb.ConsentReceipt:
        proposal = field_of(request, "receipt", ConsentReceipt)
        return to_proto(self._consents.record(request.customer_id, proposal, within="receipt"), pb.ConsentReceipt)

    def WithdrawConsent(self, request: pb.WithdrawConsentRequest, context: grpc.ServicerContext) -> pb.ConsentReceipt:
        refusal = from_proto(Withdrawal, request).refusal()
        return to_proto(self._consents.record(request.customer_id, refusal, within=""), pb.ConsentReceipt)

    def ListConsentReceipts(
        self, request: pb.ListConsentReceiptsRequest, context: grpc.ServicerContext
    ) -> pb.ListConsentReceiptsResponse:
        return to_page(
            self._consents.list(request.customer_id, PageRequest.of(request)), pb.ListConsentReceiptsResponse
        )

    def VerifyConsentChain(
        self, request: pb.VerifyConsentChainRequest, context: grpc.ServicerContext
    ) -> pb.VerifyConsentChainResponse:
        return to_proto(self._consents.verify_chain(request.customer_id), pb.VerifyConsentChainResponse)

    def CheckSendPermission(
        self, request: pb.CheckSendPermissionRequest, context: grpc.ServicerContext
    ) -> pb.SendPermission:
        question = from_proto(SendQuestion, request)
        return to_proto(self._consents.check_send_permission(request.customer_id, question), pb.SendPermission)
