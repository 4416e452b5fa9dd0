"""The long work of segments."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import segments_pb2 as pb

from libs.chassis.operations import OperationKind
from services.profiles.segments.application import EvaluationProgress, EvaluationRequest, Segments
from services.profiles.segments.store import SegmentsStore


def operations(store: SegmentsStore) -> list[OperationKind[Any, Any]]:
    """The evaluation of every customer."""
    return [
        OperationKind(
            name="evaluate_segments",
            request=pb.EvaluateSegmentsRequest,
            asks=EvaluationRequest,
            state=EvaluationProgress,
            result=pb.EvaluateSegmentsResult,
            run=Segments(store).evaluate_all,
        )
    ]
