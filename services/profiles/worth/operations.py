"""The long work of worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from kehu.profiles.v1 import clv_pb2, lifecycles_pb2, retention_pb2, rfm_pb2, tiers_pb2

from libs.chassis.codec import to_proto
from libs.chassis.operations import Job, OperationKind
from services.profiles.worth.application.lifecycles import Lifecycles
from services.profiles.worth.application.retention import ContractModels
from services.profiles.worth.application.rfm import RfmScores
from services.profiles.worth.application.tiers import TierEvaluations
from services.profiles.worth.application.value import Value
from services.profiles.worth.store import WorthStore


def operations(store: WorthStore) -> list[OperationKind[Any, Any]]:
    """The computations over all customers."""
    return [
        OperationKind(
            name="evaluate_lifecycles",
            request=lifecycles_pb2.EvaluateLifecyclesRequest,
            run=_answering(lifecycles_pb2.EvaluateLifecyclesResult, Lifecycles(store).run),
        ),
        OperationKind(
            name="evaluate_tiers",
            request=tiers_pb2.EvaluateTiersRequest,
            run=_answering(tiers_pb2.EvaluateTiersResult, TierEvaluations(store).run),
        ),
        OperationKind(
            name="compute_rfm",
            request=rfm_pb2.ComputeRfmRequest,
            run=_answering(rfm_pb2.RfmTable, RfmScores(store).run),
        ),
        OperationKind(
            name="fit_clv_model",
            request=clv_pb2.FitClvModelRequest,
            run=_answering(clv_pb2.ClvModel, Value(store).run),
        ),
        OperationKind(
            name="fit_contract_model",
            request=retention_pb2.FitContractModelRequest,
            run=_answering(retention_pb2.ContractModel, ContractModels(store).run),
        ),
    ]


def _answering(message: type[Message], run: Callable[[Job[Any, Any]], object]) -> Callable[[Job[Any, Any]], Message]:
    """The function of a job, with its result as a message."""
    return lambda job: to_proto(run(job), message)
