"""The methods of PrivacyService."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, cast

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kehu.profiles.v1 import contact_points_pb2, customer_pb2
from kehu.profiles.v1 import privacy_pb2 as pb
from kehu.profiles.v1.privacy_pb2_grpc import PrivacyServiceServicer

from libs.chassis.codec import field_of, to_proto
from libs.chassis.paging import PageRequest, to_page
from services.profiles.customers.api.changes import History, customer_of
from services.profiles.customers.api.messages import answers
from services.profiles.privacy.application.access import Privacy
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.privacy.domain.access import ReadClass

CHANGES_PAGE: Final = 100
"""Changes that an export reads at a time."""


class PrivacyServicer(PrivacyServiceServicer):
    """Erasing, holding, exporting, revealing."""

    def __init__(self, privacy: Privacy, erasures: Erasures, history: History) -> None:
        self._privacy = privacy
        self._erasures = erasures
        self._history = history

    def RequestErasure(self, request: pb.RequestErasureRequest, context: grpc.ServicerContext) -> pb.Erasure:
        erasure = self._erasures.request(request.customer_id, request.reason, validate_only=request.validate_only)
        return to_proto(erasure, pb.Erasure)

    def GetErasureStatus(self, request: pb.GetErasureStatusRequest, context: grpc.ServicerContext) -> pb.Erasure:
        erasure = self._erasures.status(erasure_id=request.erasure_id, customer_id=request.customer_id)
        return to_proto(erasure, pb.Erasure)

    def PlaceLegalHold(self, request: pb.PlaceLegalHoldRequest, context: grpc.ServicerContext) -> customer_pb2.Customer:
        held = self._privacy.hold(request.customer_id, request.reason, request.revision)
        return to_proto(held, customer_pb2.Customer)

    def ReleaseLegalHold(
        self, request: pb.ReleaseLegalHoldRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        return to_proto(self._privacy.release(request.customer_id, request.revision), customer_pb2.Customer)

    def ExportSubjectData(
        self, request: pb.ExportSubjectDataRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ExportedRecord]:
        for kind, record in self._privacy.everything(request.customer_id):
            yield _exported(kind, record)
        for id in self._privacy.group(request.customer_id):
            yield from self._changes(id)

    def RevealContactPoints(
        self, request: pb.RevealContactPointsRequest, context: grpc.ServicerContext
    ) -> pb.RevealContactPointsResponse:
        customer, access = self._privacy.reveal(request.customer_id, request.purpose_of_use)
        points = answers(customer.contact_points, contact_points_pb2.ContactPoint)
        return pb.RevealContactPointsResponse(contact_points=points, access=to_proto(access, pb.Access))

    def RevealFields(self, request: pb.RevealFieldsRequest, context: grpc.ServicerContext) -> pb.RevealFieldsResponse:
        classes = field_of(request, "read_classes", tuple[ReadClass, ...])
        found, access = self._privacy.reveal(request.customer_id, request.purpose_of_use, classes)
        customer = to_proto(found, customer_pb2.Customer)
        return pb.RevealFieldsResponse(customer=customer, access=to_proto(access, pb.Access))

    def ListAccesses(self, request: pb.ListAccessesRequest, context: grpc.ServicerContext) -> pb.ListAccessesResponse:
        return to_page(
            self._privacy.list_accesses(request.customer_id, PageRequest.of(request)), pb.ListAccessesResponse
        )

    def _changes(self, customer_id: str) -> Iterator[pb.ExportedRecord]:
        token, more = "", True
        while more:
            page = self._history(customer_id, size=CHANGES_PAGE, token=token)
            for event in page.items:
                change = pb.ExportedChange(
                    revision=event.revision, actor=event.actor, event_type=event.type, customer=customer_of(event)
                )
                change.change_time.FromDatetime(event.time)
                yield pb.ExportedRecord(change=change)
            token = page.next_page_token
            more = bool(token)


def _exported(kind: str, record: object) -> pb.ExportedRecord:
    message: Any = to_proto(record, _record_class(kind))
    return pb.ExportedRecord(**{kind: message})


@cache
def _record_class(kind: str) -> type[Message]:
    """The message of a kind of record in an export."""
    descriptor = pb.ExportedRecord.DESCRIPTOR.fields_by_name[kind].message_type
    return GetMessageClass(cast(Descriptor, descriptor))
