"""The long work of worth."""

from __future__ import annotations

from typing import Any

from kehu.profiles.v1 import clv_pb2, lifecycles_pb2, retention_pb2, rfm_pb2, tiers_pb2

from libs.chassis.operations import OperationKind
from services.profiles.worth.application.lifecycles import Lifecycles, StagesProgress, StagesRequest
from services.profiles.worth.application.retention import ContractFitProgress, ContractFitRequest, ContractModels
from services.profiles.worth.application.rfm import RfmScores, ScalesProgress, ScalesRequest
from services.profiles.worth.application.tiers import TierEvaluations, TiersProgress, TiersRequest
from services.profiles.worth.application.value import FitProgress, FitRequest, Value
from services.profiles.worth.store import WorthStore


def operations(store: WorthStore) -> list[OperationKind[Any, Any]]:
    """The computations over all customers."""
    return [
        OperationKind(
            name="evaluate_lifecycles",
            request=lifecycles_pb2.EvaluateLifecyclesRequest,
            asks=StagesRequest,
            state=StagesProgress,
            result=lifecycles_pb2.EvaluateLifecyclesResult,
            run=Lifecycles(store).run,
        ),
        OperationKind(
            name="evaluate_tiers",
            request=tiers_pb2.EvaluateTiersRequest,
            asks=TiersRequest,
            state=TiersProgress,
            result=tiers_pb2.EvaluateTiersResult,
            run=TierEvaluations(store).run,
        ),
        OperationKind(
            name="compute_rfm",
            request=rfm_pb2.ComputeRfmRequest,
            asks=ScalesRequest,
            state=ScalesProgress,
            result=rfm_pb2.RfmTable,
            run=RfmScores(store).run,
        ),
        OperationKind(
            name="fit_clv_model",
            request=clv_pb2.FitClvModelRequest,
            asks=FitRequest,
            state=FitProgress,
            result=clv_pb2.ClvModel,
            run=Value(store).run,
        ),
        OperationKind(
            name="fit_contract_model",
            request=retention_pb2.FitContractModelRequest,
            asks=ContractFitRequest,
            state=ContractFitProgress,
            result=retention_pb2.ContractModel,
            run=ContractModels(store).run,
        ),
    ]
