"""The long work of the areas, put together."""

from __future__ import annotations

from typing import Any

from libs.chassis.operations import OperationKind
from services.care.churn import operations as churn
from services.care.entitlements import operations as entitlements
from services.care.store import CareStore


def operations(store: CareStore) -> list[OperationKind[Any, Any]]:
    """Every kind of long work of the service."""
    return [*churn.operations(store.churn), *entitlements.operations(store.entitlements)]
