"""`PrivacyService`: everything that is held on a customer."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kehu.opportunities.v1 import customers_pb2, deals_pb2, leads_pb2, notes_pb2, privacy_pb2_grpc
from kehu.opportunities.v1 import privacy_pb2 as pb

from libs.chassis.codec import to_proto
from services.opportunities.privacy.store import PrivacyStore


class PrivacyApi(privacy_pb2_grpc.PrivacyServiceServicer):
    """Serves `kehu.opportunities.v1.PrivacyService`."""

    def __init__(self, store: PrivacyStore) -> None:
        self._erasures = store.erasures

    def ExportSubjectData(self, request: pb.ExportSubjectDataRequest, _: object) -> Iterator[pb.ExportedRecord]:
        for kind, record in self._erasures.everything(request.customer_id):
            yield pb.ExportedRecord(**{kind: to_proto(record, _RECORDS[kind])})


_RECORDS: dict[str, Any] = {
    "customer": customers_pb2.CustomerProjection,
    "deal": deals_pb2.Deal,
    "lead": leads_pb2.Lead,
    "working_note": notes_pb2.WorkingNote,
}
"""Kind of a record of an export → its message."""
