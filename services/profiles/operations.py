"""The long work of the areas, put together."""

from __future__ import annotations

from typing import Any

from libs.chassis.operations import OperationKind
from services.profiles.loyalty import operations as loyalty
from services.profiles.ownership import operations as ownership
from services.profiles.segments import operations as segments
from services.profiles.store import ProfilesStore
from services.profiles.worth import operations as worth


def operations(store: ProfilesStore) -> list[OperationKind[Any, Any]]:
    """Every kind of long work of the service."""
    return [
        *segments.operations(store.segments),
        *ownership.operations(store.ownership),
        *worth.operations(store.worth),
        *loyalty.operations(store.loyalty),
    ]
