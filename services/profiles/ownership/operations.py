"""The long work of ownership."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import ownership_policies_pb2 as pb

from libs.chassis.operations import OperationKind
from services.profiles.ownership.application.policies import OwnershipPolicies, RunProgress, RunRequest
from services.profiles.ownership.store import OwnershipStore


def operations(store: OwnershipStore) -> list[OperationKind[Any, Any]]:
    """The run of the policy in force over every owned customer."""
    return [
        OperationKind(
            name="run_ownership_policy",
            request=pb.RunOwnershipPolicyRequest,
            asks=RunRequest,
            state=RunProgress,
            result=pb.RunOwnershipPolicyResult,
            run=OwnershipPolicies(store).run,
        )
    ]
