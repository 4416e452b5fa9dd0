"""The long work of conversions: finishing those that were interrupted."""

from __future__ import annotations

from typing import Any

from kehu.opportunities.v1 import conversion_pb2 as pb

from libs.chassis.operations import OperationKind
from services.opportunities.conversion.application import Conversions, FinishState
from services.opportunities.conversion.store import ConversionStore


def operations(store: ConversionStore) -> list[OperationKind[Any, Any]]:
    """The conversions that were begun and not ended. Calls are imported here because a worker has no grpc."""
    from libs.calls import Calls

    calls = Calls("opportunities")
    return [
        OperationKind(
            name="finish_conversions",
            request=pb.FinishConversionsRequest,
            run=Conversions(store, lambda: calls.to("profiles")).finish,
            result=pb.FinishedConversions,
            state=FinishState,
        )
    ]
