"""The long work of loyalty."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import loyalty_pb2 as pb

from libs.chassis.codec import to_proto
from libs.chassis.operations import Job, OperationKind
from services.profiles.loyalty.application import Loyalty
from services.profiles.loyalty.store import LoyaltyStore


def operations(store: LoyaltyStore) -> list[OperationKind[Any, Any]]:
    """The measuring of every month of a currency."""
    loyalty = Loyalty(store)

    def compute(job: Job[Any, Any]) -> pb.ComputeLoyaltyMeasuresResult:
        return to_proto(loyalty.run(job), pb.ComputeLoyaltyMeasuresResult)

    return [OperationKind(name="compute_loyalty_measures", request=pb.ComputeLoyaltyMeasuresRequest, run=compute)]
