"""The long work of the service: what runs as an operation, in a process of its own."""

from __future__ import annotations

from libs.chassis.operations import OperationKind
from services.profiles.store import ProfilesStore


def operations(_store: ProfilesStore) -> list[OperationKind]:
    """Every kind of long work of the service."""
    return []
