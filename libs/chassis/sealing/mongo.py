"""The keyring in a database of its own on the server of the services.

Apart from their databases, because its backups must be short-lived: a key that an old backup still holds is not
destroyed. Pages are written outside of any transaction; a rolled back one leaves keys unused, which harms nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from pymongo import MongoClient
from pymongo.collection import Collection as RawCollection

from libs.chassis import identity
from libs.chassis.sealing.keyring import Keyring, Page

DATABASE: Final = "keyring"
COLLECTION: Final = "pages"


class MongoKeyring(Keyring):
    """Pages of keys in MongoDB."""

    def __init__(
        self, client: MongoClient[dict[str, Any]], master: bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(master, clock)
        self._raw: RawCollection[dict[str, Any]] = client[DATABASE][COLLECTION]

    def _save(self, tenant: str, page: str, wrapped: Page) -> None:
        self._raw.insert_one({"_id": page, "tenant": tenant, "create_time": identity.now(), "keys": list(wrapped)})

    def _load(self, tenant: str, pages: Sequence[str]) -> dict[str, Page]:
        found = self._raw.find({"_id": {"$in": list(pages)}, "tenant": tenant}, {"keys": 1})
        return {document["_id"]: document["keys"] for document in found}

    def _strike(self, tenant: str, page: str, places: Sequence[int]) -> int:
        place_names = [f"keys.{place}" for place in places]
        before = self._raw.find_one_and_update(
            {"_id": page, "tenant": tenant}, {"$set": dict.fromkeys(place_names, None)}, {"keys": 1}
        )
        return sum(before["keys"][place] is not None for place in places) if before is not None else 0
