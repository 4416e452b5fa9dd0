"""The lease in one document of the service's own database. Only the clock of the database counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection

from libs.engine.lease.contract import Cadence, Lease


class MongoLease(Lease):
    """A document `{_id: name, owner, until, epoch}`."""

    def __init__(self, collection: Collection[dict[str, Any]], name: str, owner: str, cadence: Cadence) -> None:
        super().__init__(name, owner, cadence)
        self._collection = collection
        self._exists = False

    def _take(self) -> int:
        if not self._exists:
            nobody = {"owner": "", "until": datetime.fromtimestamp(0, UTC), "epoch": 0}
            self._collection.update_one({"_id": self.name}, {"$setOnInsert": nobody}, upsert=True)
            self._exists = True
        ours = {"$eq": ["$owner", self._owner]}
        free = {"$lte": ["$until", "$$NOW"]}
        # Ours with an epoch that we do not know belonged to a process of the same name before us, which is dead.
        mine = {"$and": [ours, {"$eq": ["$epoch", self._epoch]}, {"$not": [free]}]}
        taken = self._collection.find_one_and_update(
            {"_id": self.name, "$expr": {"$or": [ours, free]}},
            [
                {
                    "$set": {
                        "epoch": {"$cond": [mine, "$epoch", {"$add": ["$epoch", 1]}]},
                        "owner": self._owner,
                        "until": {"$add": ["$$NOW", round(self._cadence.time_to_live * 1000)]},
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        return 0 if taken is None else int(taken["epoch"])

    def _give_up(self) -> None:
        mine = {"_id": self.name, "owner": self._owner, "epoch": self._epoch}
        self._collection.update_one(mine, [{"$set": {"until": "$$NOW"}}])  # not removed: the epoch goes on rising
