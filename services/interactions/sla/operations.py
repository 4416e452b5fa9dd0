"""The long work of counting clocks anew."""

from __future__ import annotations

from typing import Any

from kehu.interactions.v1 import sla_pb2 as pb

from libs.chassis.operations import OperationKind
from services.interactions.sla.application import PlannedRequest, Sla
from services.interactions.sla.domain import RefoldProgress
from services.interactions.sla.store import SlaStore


def operations(store: SlaStore) -> list[OperationKind[Any, Any]]:
    """Counting anew whatever is planned."""
    return [
        OperationKind(
            name="refold_clocks",
            request=pb.RefoldPlannedClocksRequest,
            asks=PlannedRequest,
            state=RefoldProgress,
            result=pb.RefoldPlannedClocksResult,
            run=Sla(store).refold,
        )
    ]
