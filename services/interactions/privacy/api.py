"""`PrivacyService`: everything that is held on a customer."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kehu.interactions.v1 import (
    calls_pb2,
    cases_pb2,
    complaints_pb2,
    conversations_pb2,
    customers_pb2,
    privacy_pb2_grpc,
    problems_pb2,
    promises_pb2,
    quality_pb2,
    remedies_pb2,
    routing_pb2,
    timeline_pb2,
)
from kehu.interactions.v1 import privacy_pb2 as pb

from libs.chassis.codec import to_proto
from services.interactions.privacy.store import PrivacyStore


class PrivacyApi(privacy_pb2_grpc.PrivacyServiceServicer):
    """Serves `kehu.interactions.v1.PrivacyService`."""

    def __init__(self, store: PrivacyStore) -> None:
        self._erasures = store.erasures

    def ExportSubjectData(self, request: pb.ExportSubjectDataRequest, _: object) -> Iterator[pb.ExportedRecord]:
        for kind, record in self._erasures.everything(request.customer_id):
            yield pb.ExportedRecord(**{kind: to_proto(record, _RECORDS[kind])})


_RECORDS: dict[str, Any] = {
    "customer": customers_pb2.CustomerProjection,
    "interaction": timeline_pb2.Interaction,
    "conversation": conversations_pb2.Conversation,
    "promise": promises_pb2.Promise,
    "case": cases_pb2.Case,
    "resolution": quality_pb2.Resolution,
    "work": routing_pb2.WorkItem,
    "call": calls_pb2.Call,
    "complaint": complaints_pb2.Complaint,
    "goodwill": remedies_pb2.Goodwill,
    "affected": problems_pb2.AffectedCustomer,
}
"""Kind of a record of an export → its message."""
