"""Items that failed, each with its reason and a growing pause until it is tried again.

One item must never stop the others: what a timer cannot do for one entity is noted here and left alone until its pause
is over. The notes are stored, so a restart does not forget them and every worker respects them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from traceback import extract_tb
from typing import ClassVar, Final

from libs.chassis import context, identity
from libs.chassis.context import Context
from libs.chassis.domain import Change, Entity
from libs.chassis.filtering import field
from libs.chassis.store import Collection, Index
from libs.chassis.timers import NotYet, pause_after
from libs.engine.store import StoredDatabase

COLLECTION: Final = "deferrals"
MOST_READ: Final = 10_000
"""Deferrals of one timer that are read at once."""
WHOLE_TENANT: Final = ""
"""The item that stands for everything of its tenant."""

_ROOT: Final = Path(__file__).parents[2]
_INDEXES = (Index(("timer", "next_time"), every_tenant=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral(Entity):
    """An item of a timer that waits for its next attempt."""

    ID_PREFIX: ClassVar[str] = "dfr"

    timer: str
    item: str
    """Id of the entity. Empty for everything of the tenant."""
    reason: str = ""
    failures: int = 0
    """Attempts that failed in a row. 0 for what only waits."""
    first_time: datetime
    """First of these failures."""
    next_time: datetime
    """Time of the next attempt."""

    def failed(self, reason: str, now: datetime) -> Deferral:
        """After one more failure."""
        return replace(self, reason=reason, failures=self.failures + 1, next_time=now + pause_after(self.failures + 1))

    def postponed(self, reason: str, until: datetime) -> Deferral:
        """Until a time that is known."""
        return replace(self, reason=reason, failures=0, next_time=until)


class Deferrals:
    """The deferred items of one service."""

    def __init__(self, database: StoredDatabase) -> None:
        if COLLECTION not in database.collections:
            database.collection(Deferral, COLLECTION, indexes=_INDEXES, publishes=False)
        self._collection: Collection[Deferral] = database.collections[COLLECTION]
        database.vault.unreadable = self._unreadable

    def of(self, timer: str) -> list[tuple[str, Deferral]]:
        """(tenant, deferral) of every tenant, the next attempt first."""
        found = self._collection.across_tenants(field("timer") == timer, order="next_time", limit=MOST_READ)
        return [(tenant, each) for tenant, _, each in found if isinstance(each, Deferral)]

    def all(self, limit: int) -> list[tuple[str, Deferral]]:
        """(tenant, deferral) of what failed, of every timer and tenant."""
        failed = (field("timer") > "") & (field("failures") > 0)
        found = self._collection.across_tenants(failed, order=("timer", "next_time"), limit=limit)
        return [(tenant, each) for tenant, _, each in found if isinstance(each, Deferral)]

    def release(self, timer: str = "") -> int:
        """Lets what failed be tried again at once, of one timer or of all. Returns the number of items."""
        found = [(tenant, each) for tenant, each in self.all(MOST_READ) if timer in ("", each.timer)]
        for tenant, theirs in by_tenant(found).items():
            with context.enter(Context(tenant=tenant, actor="operator")):
                self.forget([each.id for each in theirs])
        return len(found)

    # --------------------------------------------------------------------- of the tenant of the current context

    def defer(self, timer: str, item: str, error: Exception) -> None:
        """Notes a failure."""
        now = identity.now()
        self._note(timer, item, lambda known: known.failed(reason_of(error), now))

    def postpone(self, timer: str, item: str, not_yet: NotYet) -> None:
        """Notes when an item can be done."""
        self._note(timer, item, lambda known: known.postponed(str(not_yet), not_yet.until))

    def forget(self, ids: Sequence[str]) -> None:
        """Removes deferrals, by their own ids."""
        if ids:
            self._collection.purge(field("_id").one_of(ids), limit=len(ids))

    def _unreadable(self, collection: str, item: str, error: Exception) -> None:
        """Notes a document that a list left out, under the name of its collection."""
        with context.uncommanded():
            self.defer(f"lists of {collection}", item, error)

    def _note(self, timer: str, item: str, change: Callable[[Deferral], Deferral]) -> None:
        id, now = self._collection.id_of(f"{timer}/{item}"), identity.now()
        first = Deferral(id=id, timer=timer, item=item, first_time=now, next_time=now)
        self._collection.upsert_many([(first, change)], _changed)


def _changed(deferral: Deferral, change: Callable[[Deferral], Deferral]) -> Change[Deferral]:
    return change(deferral), []


def reason_of(error: Exception) -> str:
    """The class of an error and its place in our code, never its text, which may hold personal values."""
    frames = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_ROOT)]
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    if not ours:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(ours[-1].filename).relative_to(_ROOT)}:{ours[-1].lineno}"


def by_tenant(deferrals: Sequence[tuple[str, Deferral]]) -> Mapping[str, list[Deferral]]:
    """The deferrals of each tenant."""
    groups: dict[str, list[Deferral]] = {}
    for tenant, deferral in deferrals:
        groups.setdefault(tenant, []).append(deferral)
    return groups
