"""Claims of operations: each is done by one process at a time, and by another one when that dies."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection as Group
from datetime import datetime

from libs.chassis import identity
from libs.chassis.domain import Change
from libs.chassis.filtering import Condition, all_of, field
from libs.chassis.operations import ACTIVE, Operation, Operations, OperationState, Stopped
from libs.chassis.store import Due
from libs.engine.store.fence import fence


class Claims(Operations):
    """The operations of a service, for those who do the work."""

    def due(self, foreign: Group[str] = ()) -> Due[Operation]:
        """The operation that has waited longest for a process, but for those of foreign kinds."""

        def waits(now: datetime) -> Condition:
            known = field("kind").none_of(sorted(foreign)) if foreign else None
            return all_of(ACTIVE, field("claimable_time") <= now, known)

        return Due(self.collection, waits, order="claimable_time", limit=1)

    def waiting(self) -> tuple[str, Operation] | None:
        """(tenant, operation) of the one that has waited longest for a process, of any tenant."""
        found = self.due().find(identity.now())
        return (found[0].tenant, found[0].entity) if found and found[0].entity is not None else None

    def claim(self, id: str, owner: str) -> Operation:
        """The operation, taken by this process. Stopped when another one was faster."""
        return self._update(id, lambda operation: (operation.claimed(owner, identity.now()), []))

    def change(self, claimed: Operation, change: Callable[[Operation], Operation]) -> Operation:
        """Changes an operation as this process claimed it. Stopped when it has the claim no longer."""

        def guarded(latest: Operation) -> Change[Operation]:
            ours = (latest.owner, latest.epoch) == (claimed.owner, claimed.epoch)
            if not ours or latest.state is not OperationState.RUNNING:
                raise Stopped(f"{latest.id} is {latest.state} with {latest.owner or 'nobody'}")
            return change(latest), []

        return self._update(claimed.id, guarded)

    def _update(self, id: str, change: Callable[[Operation], Change[Operation]]) -> Operation:
        """Changes an operation itself, which is never behind the fence that its own claim makes."""
        with fence(None):
            return self.collection.update(id, change)
