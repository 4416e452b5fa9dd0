"""The long work of the areas, put together."""

from __future__ import annotations

from typing import Any

from libs.chassis.operations import OperationKind
from services.interactions.problems import operations as problems
from services.interactions.sla import operations as sla
from services.interactions.store import InteractionsStore


def operations(store: InteractionsStore) -> list[OperationKind[Any, Any]]:
    """Every kind of long work of the service."""
    return [*sla.operations(store.sla), *problems.operations(store.problems)]
