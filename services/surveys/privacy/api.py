"""`PrivacyService`: everything that is held on a customer."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kehu.surveys.v1 import collection_pb2, customers_pb2, loop_pb2, privacy_pb2_grpc, sampling_pb2
from kehu.surveys.v1 import privacy_pb2 as pb

from libs.chassis.codec import to_proto
from services.surveys.privacy.store import PrivacyStore


class PrivacyApi(privacy_pb2_grpc.PrivacyServiceServicer):
    """Serves `kehu.surveys.v1.PrivacyService`."""

    def __init__(self, store: PrivacyStore) -> None:
        self._erasures = store.erasures

    def ExportSubjectData(self, request: pb.ExportSubjectDataRequest, _: object) -> Iterator[pb.ExportedRecord]:
        for kind, record in self._erasures.everything(request.customer_id):
            yield pb.ExportedRecord(**{kind: to_proto(record, _RECORDS[kind])})


_RECORDS: dict[str, Any] = {
    "customer": customers_pb2.CustomerProjection,
    "invitation": sampling_pb2.Invitation,
    "frame_entry": sampling_pb2.FrameEntry,
    "sheet": collection_pb2.Sheet,
    "response": collection_pb2.Response,
    "paper_entry": collection_pb2.PaperEntry,
    "alert": loop_pb2.Alert,
}
"""Kind of a record of an export → its message."""
