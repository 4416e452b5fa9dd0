"""What a collection is told and what it answers: indexes, guarded writes, outcomes, and two ways to be refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic

from libs.chassis.domain import DomainError, E
from libs.chassis.filtering import Condition, field, to_mongo

MAX_PENDING = 256
"""Events of one entity that may wait for the relay before commands are refused: loud beats a 16 MiB document."""
MAX_PENDING_BYTES = 4 * 1024**2
"""Bytes of the events of one entity that may wait for the relay, for the same reason."""


TRANSACTION_DOCUMENTS = 10_000
"""Documents that one transaction may write: MongoDB ends what takes a minute, and holds their locks until then."""


class Contention(Exception):
    """Others changed the same documents at the same time; the whole piece of work may be run again."""


class RelayBehind(Exception):
    """Too many events of one entity wait to be published, so it accepts no more changes for now."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index; the tenant is put in front and the id at the end.

    A key is a field path, descending with a `-` in front.
    """

    keys: tuple[str, ...]
    unique: bool = False
    only: Condition | None = None
    """Index just the documents that meet this condition of equalities, ranges and `exists`."""
    taken: str = ""
    """What KeyTaken says when a unique key is taken."""
    every_tenant: bool = False
    """Serves `across_tenants`: the tenant is not in front."""
    expire_after: timedelta | None = None
    """Remove documents this long after the time in the only key."""

    @property
    def name(self) -> str:
        """The name, another one for another condition: a release that changes it gets an index beside the old one."""
        only = "" if self.only is None else f"_if_{_digest(self.only)}"
        return "_".join(key.replace("-", "desc_") for key in self.keys) + ("_unique" if self.unique else "") + only

    @property
    def mongo_keys(self) -> list[tuple[str, int]]:
        """The index as MongoDB is told."""
        keys = [(key.lstrip("-"), -1 if key.startswith("-") else 1) for key in self.keys]
        if self.expire_after is not None:
            return keys
        lead = [] if self.every_tenant else [("tenant", 1)]
        return [*lead, *keys] if self.unique else [*lead, *keys, ("_id", keys[-1][1])]


def _digest(condition: Condition) -> str:
    query = json.dumps(to_mongo(condition), sort_keys=True, default=str)
    return hashlib.blake2b(query.encode(), digest_size=4).hexdigest()


PENDING: Final = Index(("_held_by", "_pending_since"), only=field("_pending_since").exists(), every_tenant=True)
"""The way of the relay to the events that wait: first those that no queue has refused."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[E]):
    """What became of one entity of a bulk insert: stored or repeated (`entity`), or refused (`error`)."""

    entity: E | None = None
    created: bool = False
    error: DomainError | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One guarded change of a document that exists, as the keeper of documents gets it."""

    id: str
    seen: int
    """The revision that the change was made from; any other revision in the store and nothing is written."""
    revision: int
    set: Mapping[str, Any]
    pending: Sequence[Mapping[str, Any]]
    pending_since: datetime | None
    note: Mapping[str, Any] | None
    """Of the command that the change belongs to."""


class DuplicateKey(Exception):
    """A unique index refused a document. `index` is its name, empty for the id."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index
