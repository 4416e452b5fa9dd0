"""The timer of schedules."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final

from kehu.profiles.v1.lifecycles_pb2 import EvaluateLifecyclesRequest
from kehu.profiles.v1.ownership_policies_pb2 import RunOwnershipPolicyRequest

from libs.chassis.operations import Operations
from libs.chassis.timers import Timer
from services.profiles.schedules.application import Schedules
from services.profiles.schedules.store import SchedulesStore

REPEATED: Final[dict[str, type[EvaluateLifecyclesRequest | RunOwnershipPolicyRequest]]] = {
    "evaluate_lifecycles": EvaluateLifecyclesRequest,
    "run_ownership_policy": RunOwnershipPolicyRequest,
}
"""Kind of long work that may be planned → its request."""


def timers(store: SchedulesStore, operations: Operations) -> list[Timer[Any]]:
    """The planned work whose time has come."""

    def begin(kind: str, request: bytes) -> object:
        return operations.start(kind, REPEATED[kind].FromString(request))

    start = partial(Schedules(store).start, begin=begin)
    return [Timer(name="schedules", every=timedelta(minutes=1), due=store.due(), run=start)]
