"""The long work of segments."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import segments_pb2 as pb

from libs.chassis.operations import Job, OperationKind
from services.profiles.segments.application import Segments
from services.profiles.segments.store import SegmentsStore


def operations(store: SegmentsStore) -> list[OperationKind[Any, Any]]:
    """The evaluation of every customer."""
    segments = Segments(store)

    def evaluate(job: Job[Any, Any]) -> pb.EvaluateSegmentsResult:
        return pb.EvaluateSegmentsResult(**segments.evaluate_all(job))

    return [OperationKind(name="evaluate_segments", request=pb.EvaluateSegmentsRequest, run=evaluate)]
