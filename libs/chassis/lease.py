"""Leadership as an optimisation: at most one process usually does the work, and being wrong only repeats it.

Nothing that must hold may rest on a lease. The fencing token rises with every change of leader, for those who can
compare it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from pymongo import ReturnDocument
from pymongo.collection import Collection

TIME_TO_LIVE: Final = timedelta(seconds=10)
RENEW_AFTER: Final = timedelta(seconds=3)
"""How often the holder renews."""
TRY_AFTER: Final = timedelta(seconds=1)
"""How often the others try."""


class Lease(Protocol):
    """What a leader holds; kept in MongoDB here, by the cluster elsewhere."""

    @property
    def epoch(self) -> int:
        """The fencing token: rises whenever the lease changes hands; 0 before it was first held."""

    def hold(self) -> bool:
        """Whether this process leads now. Takes or renews the lease when that is due, so call it in the work loop."""

    def release(self) -> None:
        """Lets another process take over at once."""


class MongoLease:
    """A lease in one document `{_id: name, owner, until, epoch}`; only the clock of the database counts."""

    def __init__(
        self,
        collection: Collection[dict[str, Any]],
        name: str,
        owner: str,
        *,
        time_to_live: timedelta = TIME_TO_LIVE,
        renew_after: timedelta = RENEW_AFTER,
        try_after: timedelta = TRY_AFTER,
    ) -> None:
        self._collection = collection
        self._name = name
        self._owner = owner
        self._time_to_live = time_to_live
        self._renew_after = renew_after.total_seconds()
        self._try_after = try_after.total_seconds()
        self._held_until = 0.0
        self._next_try = 0.0
        self._epoch = 0
        self._exists = False

    @property
    def epoch(self) -> int:
        return self._epoch

    def hold(self) -> bool:
        asked_at = time.monotonic()
        if asked_at >= self._next_try:
            self._next_try = asked_at + self._try_after
            if epoch := self._take():
                self._epoch = epoch
                self._next_try = asked_at + self._renew_after
        return time.monotonic() < self._held_until

    def release(self) -> None:
        self._held_until = 0.0
        mine = {"_id": self._name, "owner": self._owner, "epoch": self._epoch}
        self._collection.update_one(mine, [{"$set": {"until": "$$NOW"}}])  # not removed: the epoch goes on rising

    def _take(self) -> int:
        """The epoch held, or 0 when another process holds the lease."""
        if not self._exists:
            nobody = {"owner": "", "until": datetime.fromtimestamp(0, UTC), "epoch": 0}
            self._collection.update_one({"_id": self._name}, {"$setOnInsert": nobody}, upsert=True)
            self._exists = True
        asked_at = time.monotonic()
        mine = {"$and": [{"$eq": ["$owner", self._owner]}, {"$gt": ["$until", "$$NOW"]}]}
        free = {"$lte": ["$until", "$$NOW"]}
        milliseconds = self._time_to_live // timedelta(milliseconds=1)
        taken = self._collection.find_one_and_update(
            {"_id": self._name, "$expr": {"$or": [mine, free]}},
            [
                {
                    "$set": {
                        "epoch": {"$cond": [mine, "$epoch", {"$add": ["$epoch", 1]}]},
                        "owner": self._owner,
                        "until": {"$add": ["$$NOW", milliseconds]},
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        if taken is None:
            self._held_until = 0.0
            return 0
        # Counted from before the request: the database cannot have set a later end than this.
        self._held_until = asked_at + self._time_to_live.total_seconds()
        return int(taken["epoch"])
