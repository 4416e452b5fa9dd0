"""Indexes on MongoDB: made from declarations, and believed in only when they are built and have the options declared.

MongoDB lists an index from the moment its build begins, and goes on building when whoever asked has gone; the build may
still fail, because two documents share a value that is to be unique. So nothing here trusts a name in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo import IndexModel
from pymongo.database import Database as RawDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure

from libs.chassis.filtering import to_mongo
from libs.chassis.store import Index

Document = dict[str, Any]
_NO_NAMESPACE, _INDEX_NOT_FOUND = 26, 27
_SHAPE: Final = ("unique", "partialFilterExpression", "sparse", "hidden", "collation")
"""Options that decide what an index does for queries and writes. Of them we set the first two."""


class IndexRefused(Exception):
    """Documents that are already stored break the promise of a unique index."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An index as MongoDB has it, or is to have it."""

    keys: tuple[tuple[str, int], ...]
    shape: Mapping[str, Any]
    """Its options of `_SHAPE`."""
    lifetime: int | None = None
    """Seconds after which documents are removed."""
    built: bool = True

    def does_as(self, other: Stored) -> bool:
        """True when queries and writes find no difference."""
        return (self.keys, self.shape) == (other.keys, other.shape)


class Indexes:
    """The indexes of one collection, declared and found."""

    def __init__(self, raw: RawDatabase[Document], collection: str, declared: Iterable[Index]) -> None:
        self._raw = raw
        self._collection = collection
        self._wanted = {index.name: _wanted(index) for index in declared}

    def problems(self, *, thorough: bool = False) -> list[str]:
        """Faults that keep the collection from serving, one text for each index.

        Those that remove old documents serve no query: releases may differ about them, and only a `thorough` look asks.
        """
        found = self._found()
        return [
            f"{self._collection}.{name} {problem}"
            for name, wanted in self._wanted.items()
            if (thorough or wanted.lifetime is None) and (problem := _problem(found.get(name), wanted))
        ]

    def make(self, *, remove: bool) -> Iterator[str]:
        """Makes what is missing, waits for what is being built, replaces what differs. Yields a line for each step.

        Those that are not declared stay, because the release before uses them while it still runs, unless `remove`.
        IndexRefused when stored documents are in the way.
        """
        found = self._found()
        for name in sorted(found.keys() - self._wanted.keys()):
            # MongoDB refuses the same index under two names.
            if remove or any(found[name].does_as(wanted) for key, wanted in self._wanted.items() if key not in found):
                self._drop(name)
                yield f"dropped index {self._collection}.{name}"
            else:
                kept = "which is no longer declared (migrate --remove drops it)"
                yield f"kept index {self._collection}.{name}, {kept}"
        verbs: dict[str, str] = {}
        for name, wanted in self._wanted.items():
            there = found.get(name)
            if there is None:
                verbs[name] = "created"
            elif not there.does_as(wanted) or there.lifetime != wanted.lifetime:
                self._drop(name)
                verbs[name] = "replaced"
            elif not there.built:
                verbs[name] = "waited for"
        if verbs:
            self._build(verbs)
        for name, verb in verbs.items():
            yield f"{verb} index {self._collection}.{name}"

    def _build(self, names: Iterable[str]) -> None:
        """Builds indexes in one walk over the collection, or joins a build that runs already."""
        try:
            self._raw[self._collection].create_indexes([_model(name, self._wanted[name]) for name in names])
        except DuplicateKeyError as error:
            raise IndexRefused(f"{self._collection}: {error.details and error.details.get('errmsg')}") from error
        found = self._found()
        for name in names:
            if problem := _problem(found.get(name), self._wanted[name]):
                raise IndexRefused(f"{self._collection}.{name} {problem} although it was just built")

    def _drop(self, name: str) -> None:
        """Drops an index, or ends its build."""
        try:
            self._raw[self._collection].drop_index(name)
        except OperationFailure as failure:
            if failure.code != _INDEX_NOT_FOUND:  # somebody did the same at the same time
                raise

    def _found(self) -> dict[str, Stored]:
        """The indexes that MongoDB lists, without that of the id."""
        try:
            answer = self._raw.command(
                "listIndexes", self._collection, includeBuildUUIDs=True, codec_options=self._raw.codec_options
            )
        except OperationFailure as failure:
            if failure.code != _NO_NAMESPACE:
                raise
            return {}
        # At most 64, so they come in one batch. One that is being built is wrapped.
        listed = ((each.get("spec", each), "buildUUID" not in each) for each in answer["cursor"]["firstBatch"])
        return {spec["name"]: _stored(spec, built) for spec, built in listed if spec["name"] != "_id_"}


def _wanted(index: Index) -> Stored:
    shape: Document = {"unique": True} if index.unique else {}
    if index.only is not None:
        shape["partialFilterExpression"] = _partial(to_mongo(index.only))
    lifetime = None if index.expire_after is None else int(index.expire_after.total_seconds())
    return Stored(tuple(index.mongo_keys), shape, lifetime)


def _stored(spec: Mapping[str, Any], built: bool) -> Stored:
    shape = {option: spec[option] for option in _SHAPE if spec.get(option)}
    return Stored(tuple(spec["key"].items()), shape, spec.get("expireAfterSeconds"), built)


def _model(name: str, wanted: Stored) -> IndexModel:
    lifetime = {} if wanted.lifetime is None else {"expireAfterSeconds": wanted.lifetime}
    return IndexModel(list(wanted.keys), name=name, **wanted.shape, **lifetime)


def _problem(there: Stored | None, wanted: Stored) -> str:
    """The fault of an index, or nothing."""
    if there is None:
        return "is missing"
    if not there.does_as(wanted) or there.lifetime != wanted.lifetime:
        return "has other options than declared"
    return "" if there.built else "is still being built"


def _partial(query: Document) -> Document:
    """A query as a partial-index filter, which knows no `$ne`: `exists` becomes "greater than null"."""
    if "$and" in query:
        return {"$and": [_partial(part) for part in query["$and"]]}
    return {
        path: {"$exists": True} if isinstance(test, dict) and "$exists" in test else test
        for path, test in query.items()
    }
