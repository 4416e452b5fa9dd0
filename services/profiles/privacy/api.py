"""The methods of ProfilesService about privacy: masked values, legal holds, exports and erasures."""
# ruff: noqa: ARG002, N802  (grpc decides the names and the arguments of the methods)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kehu.profiles.v1 import contact_pb2, customer_pb2, privacy_pb2

from libs.chassis.codec import from_proto, to_proto
from services.profiles.customers.api.changes import History, customer_of
from services.profiles.customers.api.messages import answer, answers
from services.profiles.privacy.application.access import Privacy
from services.profiles.privacy.application.erasures import Erasures
from services.profiles.privacy.domain.access import ReadClass

_CHANGES = 100
"""Changes that an export reads at a time."""


@cache
def record_class(kind: str) -> type[Message]:
    """The message of a kind of record in an export."""
    descriptor = privacy_pb2.ExportedRecord.DESCRIPTOR.fields_by_name[kind].message_type
    return GetMessageClass(cast(Descriptor, descriptor))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The part of `RevealFieldsRequest` that says what."""

    read_classes: tuple[ReadClass, ...] = ()


class PrivacyApi:
    """Erasing, holding, exporting, revealing."""

    _erasures: Erasures
    _privacy: Privacy
    _history: History

    def RequestErasure(
        self, request: privacy_pb2.RequestErasureRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.Erasure:
        erasure = self._erasures.request(request.customer_id, request.reason, validate_only=request.validate_only)
        return answer(erasure, privacy_pb2.Erasure)

    def GetErasureStatus(
        self, request: privacy_pb2.GetErasureStatusRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.Erasure:
        erasure = self._erasures.status(erasure_id=request.erasure_id, customer_id=request.customer_id)
        return answer(erasure, privacy_pb2.Erasure)

    def PlaceLegalHold(
        self, request: privacy_pb2.PlaceLegalHoldRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        held = self._privacy.hold(request.customer_id, request.reason, request.revision)
        return answer(held, customer_pb2.Customer)

    def ReleaseLegalHold(
        self, request: privacy_pb2.ReleaseLegalHoldRequest, context: grpc.ServicerContext
    ) -> customer_pb2.Customer:
        return answer(self._privacy.release(request.customer_id, request.revision), customer_pb2.Customer)

    def ExportSubjectData(
        self, request: privacy_pb2.ExportSubjectDataRequest, context: grpc.ServicerContext
    ) -> Iterator[privacy_pb2.ExportedRecord]:
        for kind, record in self._privacy.everything(request.customer_id):
            # In full, whatever the caller is shown elsewhere: the scope to export is the scope to see.
            exported: dict[str, Any] = {kind: to_proto(record, record_class(kind))}
            yield privacy_pb2.ExportedRecord(**exported)
        for id in self._privacy.group(request.customer_id):
            yield from self._changes(id)

    def _changes(self, customer_id: str) -> Iterator[privacy_pb2.ExportedRecord]:
        token = ""
        while True:
            page = self._history(customer_id, size=_CHANGES, token=token)
            for event in page.items:
                change = privacy_pb2.ExportedChange(
                    revision=event.revision, actor=event.actor, event_type=event.type, customer=customer_of(event)
                )
                change.change_time.FromDatetime(event.time)
                yield privacy_pb2.ExportedRecord(change=change)
            token = page.next_page_token
            if not token:
                return

    def RevealContactPoints(
        self, request: privacy_pb2.RevealContactPointsRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.RevealContactPointsResponse:
        customer, access = self._privacy.reveal(request.customer_id, request.purpose_of_use)
        points = answers(customer.contact_points, contact_pb2.ContactPoint)
        return privacy_pb2.RevealContactPointsResponse(contact_points=points, access=answer(access, privacy_pb2.Access))

    def RevealFields(
        self, request: privacy_pb2.RevealFieldsRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.RevealFieldsResponse:
        classes = from_proto(_Look, request).read_classes
        customer, access = self._privacy.reveal(request.customer_id, request.purpose_of_use, classes)
        # Not as the caller may see it otherwise: what was asked for is in full.
        return privacy_pb2.RevealFieldsResponse(
            customer=to_proto(customer, customer_pb2.Customer),
            access=answer(access, privacy_pb2.Access),
        )

    def ListAccesses(
        self, request: privacy_pb2.ListAccessesRequest, context: grpc.ServicerContext
    ) -> privacy_pb2.ListAccessesResponse:
        page = self._privacy.list_accesses(request.customer_id, request)
        return privacy_pb2.ListAccessesResponse(
            accesses=answers(page.items, privacy_pb2.Access), next_page_token=page.next_page_token
        )
