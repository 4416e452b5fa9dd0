"""The query of a timer for what is due, over all tenants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from libs.chassis.domain import E
from libs.chassis.filtering import Condition, all_of
from libs.chassis.store.collection import Collection


@dataclass(frozen=True, slots=True)
class Found(Generic[E]):
    """An entity that is due."""

    tenant: str
    id: str
    entity: E | None
    """None when the document cannot be read."""
    error: Exception | None
    """Reason why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Due(Generic[E]):
    """Entities of every tenant whose time has come."""

    collection: Collection[E]
    where: Callable[[datetime], Condition]
    """Holds for what is due at a time. Served by an index with `every_tenant`."""
    order: str
    """The most urgent first."""
    limit: int
    """Entities that are looked for at once."""

    def find(self, now: datetime, *, besides: Condition | None = None) -> list[Found[E]]:
        """At most `limit` of what is due and meets the further condition."""
        found = self.collection.across_tenants(all_of(self.where(now), besides), order=self.order, limit=self.limit)
        return [
            Found(tenant, id, None, read) if isinstance(read, Exception) else Found(tenant, id, read, None)
            for tenant, id, read in found
        ]
