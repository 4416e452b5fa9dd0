"""The long work of the service: what runs as an operation, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import Message
from kehu.profiles.v1 import segment_pb2
from kehu.profiles.v1 import worth_pb2 as worth

from libs.chassis.codec import to_proto
from libs.chassis.operations import Job, OperationKind
from services.profiles.application.segments import Segments
from services.profiles.application.worth.loyalty import Loyalty
from services.profiles.application.worth.rfm import RfmScores
from services.profiles.application.worth.tiers import TierEvaluations
from services.profiles.application.worth.value import Value
from services.profiles.store import ProfilesStore


def operations(store: ProfilesStore) -> list[OperationKind]:
    """Every kind of long work of the service."""
    segments = Segments(store)

    def evaluate_segments(job: Job) -> segment_pb2.EvaluateSegmentsResult:
        return segment_pb2.EvaluateSegmentsResult(**segments.evaluate_all(job))

    return [
        OperationKind(name="evaluate_segments", request=segment_pb2.EvaluateSegmentsRequest, run=evaluate_segments),
        OperationKind(
            name="evaluate_tiers",
            request=worth.EvaluateTiersRequest,
            run=_telling(worth.EvaluateTiersResult, TierEvaluations(store).run),
        ),
        OperationKind(
            name="compute_rfm", request=worth.ComputeRfmRequest, run=_telling(worth.RfmTable, RfmScores(store).run)
        ),
        OperationKind(
            name="fit_clv_model", request=worth.FitClvModelRequest, run=_telling(worth.ClvModel, Value(store).run)
        ),
        OperationKind(
            name="compute_loyalty_measures",
            request=worth.ComputeLoyaltyMeasuresRequest,
            run=_telling(worth.ComputeLoyaltyMeasuresResult, Loyalty(store).run),
        ),
    ]


def _telling(message: type[Message], run: Callable[[Job], object]) -> Callable[[Job], Message]:
    """The function of a job, with its result as a message."""
    return lambda job: to_proto(run(job), message)
