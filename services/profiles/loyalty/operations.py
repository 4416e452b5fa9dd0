"""The long work of loyalty."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import loyalty_pb2 as pb

from libs.chassis.operations import OperationKind
from services.profiles.loyalty.application import Loyalty, MonthsProgress, MonthsRequest
from services.profiles.loyalty.store import LoyaltyStore


def operations(store: LoyaltyStore) -> list[OperationKind[Any, Any]]:
    """The measuring of every month of a currency."""
    return [
        OperationKind(
            name="compute_loyalty_measures",
            request=pb.ComputeLoyaltyMeasuresRequest,
            asks=MonthsRequest,
            state=MonthsProgress,
            result=pb.ComputeLoyaltyMeasuresResult,
            run=Loyalty(store).run,
        )
    ]
