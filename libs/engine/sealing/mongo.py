"""The keyring in a database of its own on the server of the services.

Apart from their databases, because its backups must be short-lived: a key that an old backup still holds is not
destroyed. Pages are written outside of any transaction; a rolled back one leaves keys unused, which harms nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pymongo import MongoClient
from pymongo.collection import Collection as RawCollection

from libs.chassis import identity
from libs.engine.sealing.keyring import Keyring, Masters, Page

DATABASE: Final = "keyring"
COLLECTION: Final = "pages"
SECRETS: Final = "secrets"
"""Secrets of blind indexes, of tenants whose key-encryption key was replaced."""


class MongoKeyring(Keyring):
    """Pages of keys in MongoDB."""

    def __init__(
        self, client: MongoClient[dict[str, Any]], master: bytes | Masters, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(master, clock)
        self._raw: RawCollection[dict[str, Any]] = client[DATABASE][COLLECTION]
        self._kept: RawCollection[dict[str, Any]] = client[DATABASE][SECRETS]

    def _save(self, tenant: str, page: str, wrapped: Page, mark: str) -> None:
        self._raw.insert_one(
            {"_id": page, "tenant": tenant, "create_time": identity.now(), "keys": list(wrapped), "mark": mark}
        )

    def _replace(self, tenant: str, page: str, before: Page, after: Page, mark: str) -> None:
        unchanged = {"_id": page, "tenant": tenant, "keys": list(before)}
        self._raw.update_one(unchanged, {"$set": {"keys": list(after), "mark": mark}})

    def _pages_not_under(self, mark: str) -> Iterator[tuple[str, str, Page]]:
        for found in self._raw.find({"mark": {"$ne": mark}}, {"tenant": 1, "keys": 1}):
            yield found["tenant"], found["_id"], found["keys"]

    def _tenants(self) -> Sequence[str]:
        return sorted(self._raw.distinct("tenant"))

    def _load_secret(self, tenant: str) -> bytes | None:
        found = self._kept.find_one({"_id": tenant})
        return found["secret"] if found is not None else None

    def _keep_secret(self, tenant: str, wrapped: bytes) -> None:
        self._kept.update_one({"_id": tenant}, {"$set": {"secret": wrapped}}, upsert=True)

    def _load(self, tenant: str, pages: Sequence[str]) -> dict[str, Page]:
        found = self._raw.find({"_id": {"$in": list(pages)}, "tenant": tenant}, {"keys": 1})
        return {document["_id"]: document["keys"] for document in found}

    def _strike(self, tenant: str, page: str, places: Sequence[int]) -> int:
        place_names = [f"keys.{place}" for place in places]
        before = self._raw.find_one_and_update(
            {"_id": page, "tenant": tenant}, {"$set": dict.fromkeys(place_names, None)}, {"keys": 1}
        )
        return sum(before["keys"][place] is not None for place in places) if before is not None else 0
