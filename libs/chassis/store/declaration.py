"""Declarations of a collection and its answers: indexes, outcomes and refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic

from libs.chassis.domain import AlreadyExists, DomainError, E
from libs.chassis.filtering import Condition, to_mongo

BlindIndexes = Mapping[str, Callable[[Any], Iterable[str]]]
"""Name → the values of an entity to be found by."""


class Contention(Exception):
    """Others changed the same documents at the same time. The whole piece of work may be run again."""


class RelayBehind(Exception):
    """Too many events of one entity wait to be published, so it accepts no more changes for now."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index. The tenant is put in front and the id at the end.

    A key is a field path, descending with a `-` in front.
    """

    keys: tuple[str, ...]
    unique: bool = False
    only: Condition | None = None
    """Index just the documents that meet this condition of equalities, ranges and `exists`."""
    taken: str = ""
    """Text of KeyTaken when a unique key is taken."""
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


@dataclass(frozen=True, slots=True)
class Outcome(Generic[E]):
    """Result for one entity of a bulk insert: stored or repeated (`entity`), or refused (`error`)."""

    entity: E | None = None
    created: bool = False
    error: DomainError | None = None


class RequestIdReused(AlreadyExists):
    """The request_id {request_id} came with another request before: give every request an id of its own."""

    request_id: str


class KeyTaken(AlreadyExists):
    """{problem}."""

    problem: str
    index: str

    @classmethod
    def of(cls, collection: str, index: Index) -> KeyTaken:
        """The refusal of a unique index."""
        return cls(problem=index.taken or f"{collection}: {', '.join(index.keys)} is taken", index=index.name)
