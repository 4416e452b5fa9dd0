"""The long work of ownership."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import ownership_policies_pb2 as pb

from libs.chassis.codec import to_proto
from libs.chassis.operations import Job, OperationKind
from services.profiles.ownership.application.policies import OwnershipPolicies
from services.profiles.ownership.store import OwnershipStore


def operations(store: OwnershipStore) -> list[OperationKind[Any, Any]]:
    """The run of the policy in force over every owned customer."""
    policies = OwnershipPolicies(store)

    def run(job: Job[Any, Any]) -> pb.RunOwnershipPolicyResult:
        done = policies.run(job, validate_only=job.request.validate_only)
        outcome, count = pb.OwnershipDecision.Outcome, pb.RunOwnershipPolicyResult.Count
        return pb.RunOwnershipPolicyResult(
            policy_version=done.policy_version,
            validate_only=job.request.validate_only,
            customer_count=done.customer_count,
            counts=[
                count(outcome=outcome.Value(f"OUTCOME_{name}"), customer_count=number)
                for name, number in sorted(done.counts.items())
            ],
            decisions=[to_proto(each, pb.OwnershipDecision) for each in done.decisions],
        )

    return [OperationKind(name="run_ownership_policy", request=pb.RunOwnershipPolicyRequest, run=run)]
