"""The long work of entitlements: the check that nobody was skipped."""

from __future__ import annotations

from typing import Any

from kehu.care.v1 import entitlements_pb2

from libs.chassis.operations import OperationKind
from services.care.entitlements.application import Entitlements, EquityAsked, EquityProgress
from services.care.entitlements.store import EntitlementsStore


def operations(store: EntitlementsStore) -> list[OperationKind[Any, Any]]:
    """The check of a benefit, over all customers."""
    return [
        OperationKind(
            name="check_equity",
            request=entitlements_pb2.CheckEquityRequest,
            asks=EquityAsked,
            run=Entitlements(store).check,
            result=entitlements_pb2.EquityReport,
            state=EquityProgress,
        )
    ]
