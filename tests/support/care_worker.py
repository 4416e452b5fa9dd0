"""A worker of a simulated year: plans and sends at every time that it is told, until it is killed.

python -m tests.support.care_worker <mongodb uri> <database> <database of the provider>
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, PyMongoError

from libs.chassis import identity
from libs.chassis.domain import Conflict
from libs.chassis.store import Contention
from services.care.senders.domain import Fate, Handover, Message
from services.care.store import CareStore
from services.care.touches.application.firing import Firing
from tests.support.care import care_store, due, rounds

ATTEMPTS = 20
"""Times that a round is tried while the other worker is at the same work."""


class Provider:
    """A provider in a database of its own: what it took outlives whoever handed it over, and it knows its keys."""

    can_find = True

    def __init__(self, mongo: MongoClient[dict[str, Any]], name: str) -> None:
        self._taken, self._twice = mongo[name]["taken"], mongo[name]["twice"]

    def send(self, message: Message) -> Handover:
        """Takes a message. One that comes again is written down as such."""
        told = {"_id": message.key, "to": message.to, "at": identity.now()}
        try:
            self._taken.insert_one(told)
        except DuplicateKeyError:
            self._twice.insert_one({"key": message.key, "at": identity.now()})
        return Handover(fate=Fate.ACCEPTED, provider_id=message.key)

    def find(self, key: str) -> Handover | None:
        """The message of a key, when it came."""
        there = self._taken.find_one({"_id": key})
        return Handover(fate=Fate.ACCEPTED, provider_id=key) if there else None

    def close(self) -> None:
        """Nothing to end."""


def work(store: CareStore, provider: Provider) -> None:
    """Everything that is due at this time."""
    rounds(store, "sweeps", "planning")
    firing = Firing(store.touches, ports=lambda _: provider)
    for _ in range(ATTEMPTS * 100):
        some = due(store)
        if not some:
            return
        firing.fire(some)


def main() -> None:
    """Works at each time that comes on standard input, and says so when it is done."""
    uri, database, provided = sys.argv[1:]
    mongo: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)
    with care_store(uri, database) as store:
        provider = Provider(mongo, provided)
        for line in sys.stdin:
            with identity.clock(identity.FixedClock(datetime.fromisoformat(line.strip()))):
                for attempt in range(ATTEMPTS):
                    try:
                        work(store, provider)
                        break
                    except (Conflict, Contention, PyMongoError):
                        if attempt == ATTEMPTS - 1:
                            raise
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
