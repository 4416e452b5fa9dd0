"""The long work of the service: what runs as an operation, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from kehu.profiles.v1 import (
    clv_pb2,
    lifecycles_pb2,
    loyalty_pb2,
    ownership_policies_pb2,
    retention_pb2,
    rfm_pb2,
    segments_pb2,
)
from kehu.profiles.v1 import tiers_pb2 as worth

from libs.chassis.codec import to_proto
from libs.chassis.operations import Job, OperationKind
from services.profiles.loyalty.application import Loyalty
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.segments.application import Segments
from services.profiles.store import ProfilesStore
from services.profiles.worth.application.lifecycles import Lifecycles
from services.profiles.worth.application.retention import ContractModels
from services.profiles.worth.application.rfm import RfmScores
from services.profiles.worth.application.tiers import TierEvaluations
from services.profiles.worth.application.value import Value


def operations(store: ProfilesStore) -> list[OperationKind[Any, Any]]:
    """Every kind of long work of the service."""
    segments, ownership_policies = Segments(store), OwnershipPolicies(store)

    def evaluate_segments(job: Job[Any, Any]) -> segments_pb2.EvaluateSegmentsResult:
        return segments_pb2.EvaluateSegmentsResult(**segments.evaluate_all(job))

    def run_ownership_policy(job: Job[Any, Any]) -> ownership_policies_pb2.RunOwnershipPolicyResult:
        run = ownership_policies.run(job, validate_only=job.request.validate_only)
        outcome, count = (
            ownership_policies_pb2.OwnershipDecision.Outcome,
            ownership_policies_pb2.RunOwnershipPolicyResult.Count,
        )
        return ownership_policies_pb2.RunOwnershipPolicyResult(
            policy_version=run.policy_version,
            validate_only=job.request.validate_only,
            customer_count=run.customer_count,
            counts=[
                count(outcome=outcome.Value(f"OUTCOME_{name}"), customer_count=number)
                for name, number in sorted(run.counts.items())
            ],
            decisions=[to_proto(each, ownership_policies_pb2.OwnershipDecision) for each in run.decisions],
        )

    return [
        OperationKind(name="evaluate_segments", request=segments_pb2.EvaluateSegmentsRequest, run=evaluate_segments),
        OperationKind(
            name="run_ownership_policy",
            request=ownership_policies_pb2.RunOwnershipPolicyRequest,
            run=run_ownership_policy,
        ),
        OperationKind(
            name="evaluate_lifecycles",
            request=lifecycles_pb2.EvaluateLifecyclesRequest,
            run=_telling(lifecycles_pb2.EvaluateLifecyclesResult, Lifecycles(store).run),
        ),
        OperationKind(
            name="evaluate_tiers",
            request=worth.EvaluateTiersRequest,
            run=_telling(worth.EvaluateTiersResult, TierEvaluations(store).run),
        ),
        OperationKind(
            name="compute_rfm", request=rfm_pb2.ComputeRfmRequest, run=_telling(rfm_pb2.RfmTable, RfmScores(store).run)
        ),
        OperationKind(
            name="fit_clv_model", request=clv_pb2.FitClvModelRequest, run=_telling(clv_pb2.ClvModel, Value(store).run)
        ),
        OperationKind(
            name="fit_contract_model",
            request=retention_pb2.FitContractModelRequest,
            run=_telling(retention_pb2.ContractModel, ContractModels(store).run),
        ),
        OperationKind(
            name="compute_loyalty_measures",
            request=loyalty_pb2.ComputeLoyaltyMeasuresRequest,
            run=_telling(loyalty_pb2.ComputeLoyaltyMeasuresResult, Loyalty(store).run),
        ),
    ]


def _telling(message: type[Message], run: Callable[[Job[Any, Any]], object]) -> Callable[[Job[Any, Any]], Message]:
    """The function of a job, with its result as a message."""
    return lambda job: to_proto(run(job), message)
