"""The long work of giving many customers the same remedy."""

from __future__ import annotations

from typing import Any

from kehu.interactions.v1 import problems_pb2 as pb

from libs.chassis.operations import OperationKind
from services.interactions.problems.application import Problems, RemedyRequest
from services.interactions.problems.domain import RemedyProgress
from services.interactions.problems.store import ProblemsStore


def operations(store: ProblemsStore) -> list[OperationKind[Any, Any]]:
    """The remedy of a problem."""
    return [
        OperationKind(
            name="remedy_problem",
            request=pb.RemedyProblemRequest,
            asks=RemedyRequest,
            state=RemedyProgress,
            result=pb.RemedyProblemResult,
            run=Problems(store).remedy,
        )
    ]
