"""Work that time causes: what is due is looked for again and again, by one process at a time.

The lease only saves work. A timer's function must decide by the state of what it is given, so that two runners at once
still do each thing once: the second one changes nothing.

One item never stops the others. When the work on the entities of a tenant fails, each is tried alone, and those that
fail alone are deferred (`deferrals`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, Final, Generic

import pymongo
from pymongo.errors import PyMongoError

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import Conflict, E
from libs.chassis.filtering import Condition, all_of, field
from libs.chassis.store import Contention, Found, RelayBehind
from libs.chassis.timers import NotYet, Timer
from libs.engine import logs, metrics
from libs.engine.deferrals import WHOLE_TENANT, Deferral, Deferrals, by_tenant, reason_of
from libs.engine.lease import Lease
from libs.engine.loop import Loop
from libs.engine.store import StoredDatabase

TENANT_DEFERRALS: Final = 100
"""Deferred items of one tenant, beyond which everything of this tenant is deferred."""
_DATABASE_TIMEOUT: Final = 20.0
"""Seconds for the work on one tenant's entities. A loop counts as stuck after 30."""

log = logs.get(__name__)


class Round(Generic[E]):
    """One look at what is due for a timer, and the work on it."""

    def __init__(
        self,
        database: StoredDatabase,
        timer: Timer[E],
        *,
        go_on: Callable[[], bool] = lambda: True,
        attend: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._timer = timer
        self._actor = f"service:{database.service}"
        self._deferrals = Deferrals(database)
        self._go_on = go_on
        self._attend = attend
        self._failed: set[tuple[str, str]] = set()
        self._count: dict[str, int] = {}
        metrics.TIMER_FAILURES.labels(timer.name)

    def run(self) -> int:
        """Works on what is due. Returns the number of entities that no longer are."""
        with _limited():
            now, noted = identity.now(), self._deferrals.of(self._timer.name)
            metrics.TIMER_DEFERRED.labels(self._timer.name).set(sum(each.failures > 0 for _, each in noted))
            waiting = [(tenant, each) for tenant, each in noted if each.next_time > now]
            found = self._timer.due.find(now, besides=_besides(waiting))
        self._failed = set()
        self._count = {tenant: len(theirs) for tenant, theirs in by_tenant(noted).items()}
        done = self._work_on_all(found) if found else 0
        over = [(tenant, each) for tenant, each in noted if each.next_time <= now]
        self._settle(over, found)
        return done

    def _work_on_all(self, found: Sequence[Found[E]]) -> int:
        groups: dict[str, list[Found[E]]] = {}
        for each in found:
            groups.setdefault(each.tenant, []).append(each)
        done = 0
        with self._attend():
            for tenant, group in groups.items():
                if not self._go_on():
                    break
                with context.enter(Context(tenant=tenant, actor=self._actor)):
                    done += self._work(tenant, group)
        return done

    def _work(self, tenant: str, group: Sequence[Found[E]]) -> int:
        """Does the work for one tenant: at once, or one by one when that fails."""
        entities = [each.entity for each in group if each.entity is not None]
        if len(entities) == len(group):
            try:
                with _limited():
                    self._timer.run(entities)
            except NotYet as not_yet:
                self._postpone(tenant, WHOLE_TENANT, not_yet)
                return 0
            except Exception as error:  # noqa: BLE001  (the others go on, whatever it is)
                if len(group) == 1:
                    self._defer(tenant, group[0].id, error)
                    return 0
            else:
                return len(group)
        done = 0
        for each in group:
            if (tenant, WHOLE_TENANT) in self._failed or not self._go_on():
                break
            try:
                done += self._work_on_one(each)
            except NotYet as not_yet:
                self._postpone(tenant, each.id, not_yet)
            except Exception as error:  # noqa: BLE001
                self._defer(tenant, each.id, error)
        return done

    def _work_on_one(self, each: Found[E]) -> int:
        if each.entity is None:
            raise each.error or LookupError(each.id)
        with _limited():
            self._timer.run([each.entity])
        return 1

    def _defer(self, tenant: str, item: str, error: Exception) -> None:
        """Notes a failure. PyMongoError when the database does not take the note, which interrupts the loop."""
        self._count[tenant] = self._count.get(tenant, 0) + 1
        if self._count[tenant] > TENANT_DEFERRALS:
            item = WHOLE_TENANT
        lost = isinstance(error, Contention | Conflict | RelayBehind)  # others were faster: normal, and soon over
        tell = log.info if lost else log.warning
        tell("item deferred", timer=self._timer.name, tenant=tenant, item=item or "all", reason=reason_of(error))
        metrics.TIMER_FAILURES.labels(self._timer.name).inc()
        self._failed.add((tenant, item))
        with _limited(), _losing_is_normal():
            self._deferrals.defer(self._timer.name, item, error)

    def _postpone(self, tenant: str, item: str, not_yet: NotYet) -> None:
        self._failed.add((tenant, item))
        with _limited(), _losing_is_normal():
            self._deferrals.postpone(self._timer.name, item, not_yet)

    def _settle(self, over: Sequence[tuple[str, Deferral]], found: Sequence[Found[E]]) -> None:
        """Forgets what was tried again and did not fail, and what is no longer due."""
        complete = len(found) < self._timer.due.limit
        tried = {(each.tenant, each.id) for each in found} | {(each.tenant, WHOLE_TENANT) for each in found}
        for tenant, deferrals in by_tenant(over).items():
            settled = [
                each.id
                for each in deferrals
                if (tenant, each.item) not in self._failed and (complete or (tenant, each.item) in tried)
            ]
            with _limited(), context.enter(Context(tenant=tenant, actor=self._actor)):
                self._deferrals.forget(settled)


class TimerLoop(Loop):
    """Runs one timer while it holds the lease."""

    interruptions: ClassVar = (PyMongoError, Contention, RelayBehind)

    def __init__(self, database: StoredDatabase, timer: Timer[Any], lease: Lease) -> None:
        super().__init__(f"{database.service}.{timer.name}")
        self._timer = timer
        self._lease = lease
        self._round = Round(database, timer, go_on=self._goes_on, attend=lease.kept)

    def _serve(self) -> None:
        while not self.stopping.is_set():
            done = 0
            if self._leads():
                done = self._round.run()
            else:
                metrics.TIMER_DEFERRED.labels(self._timer.name).set(0)  # for the leader to tell
            self.ready()
            if not done:
                self.rest(self._timer.every.total_seconds())
        with _limited():
            self._lease.release()

    def _leads(self) -> bool:
        with _limited():
            return self._lease.hold()

    def _goes_on(self) -> bool:
        self.beat()
        return self._lease.holds and not self.stopping.is_set()


def _besides(waiting: Sequence[tuple[str, Deferral]]) -> Condition | None:
    """The condition of everything but the deferred items."""
    tenants = sorted({tenant for tenant, each in waiting if each.item == WHOLE_TENANT})
    items = [each.item for tenant, each in waiting if each.item != WHOLE_TENANT and tenant not in tenants]
    parts = [field("tenant").none_of(tenants) if tenants else None, field("_id").none_of(items) if items else None]
    return all_of(*parts) if any(parts) else None


def _limited() -> AbstractContextManager[object]:
    return pymongo.timeout(_DATABASE_TIMEOUT)


@contextmanager
def _losing_is_normal() -> Iterator[None]:
    """Another worker noted the same at the same time."""
    try:
        yield
    except Contention:
        return
