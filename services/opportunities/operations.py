"""The long work of the areas, put together."""

from __future__ import annotations

from typing import Any

from libs.chassis.operations import OperationKind
from services.opportunities.conversion import operations as conversion
from services.opportunities.forecast import operations as forecast
from services.opportunities.leads import operations as leads
from services.opportunities.store import OpportunitiesStore


def operations(store: OpportunitiesStore) -> list[OperationKind[Any, Any]]:
    """Every kind of long work of the service."""
    return [
        *leads.operations(store.leads),
        *conversion.operations(store.conversion),
        *forecast.operations(store.forecast),
    ]
