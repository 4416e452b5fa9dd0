"""`PrivacyService`: everything that is held on a customer."""
# ruff: noqa: N802  (the proto names the methods)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kehu.care.v1 import (
    alerts_pb2,
    churn_pb2,
    customers_pb2,
    entitlements_pb2,
    plays_pb2,
    pressure_pb2,
    privacy_pb2_grpc,
    programs_pb2,
    touches_pb2,
)
from kehu.care.v1 import privacy_pb2 as pb

from libs.chassis.codec import to_proto
from services.care.privacy.store import PrivacyStore


class PrivacyApi(privacy_pb2_grpc.PrivacyServiceServicer):
    """Serves `kehu.care.v1.PrivacyService`."""

    def __init__(self, store: PrivacyStore) -> None:
        self._erasures = store.erasures

    def ExportSubjectData(self, request: pb.ExportSubjectDataRequest, _: object) -> Iterator[pb.ExportedRecord]:
        for kind, record in self._erasures.everything(request.customer_id):
            yield pb.ExportedRecord(**{kind: to_proto(record, _RECORDS[kind])})


_RECORDS: dict[str, Any] = {
    "customer": customers_pb2.CustomerProjection,
    "override": programs_pb2.PlanOverride,
    "touch": touches_pb2.Touch,
    "book": pressure_pb2.Book,
    "measurement": touches_pb2.Measurement,
    "enrollment": touches_pb2.Enrollment,
    "alert": alerts_pb2.Alert,
    "watch": alerts_pb2.Watch,
    "play_run": plays_pb2.PlayRun,
    "churn_record": churn_pb2.ChurnRecord,
    "win_back_attempt": churn_pb2.WinBackAttempt,
    "benefit_use": entitlements_pb2.BenefitUse,
    "standing": entitlements_pb2.BenefitStanding,
    "benefit_account": entitlements_pb2.BenefitAccount,
}
"""Kind of a record of an export → its message."""
