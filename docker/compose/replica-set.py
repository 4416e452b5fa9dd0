"""Makes a replica set of one member, unless it is one: `replica-set.py <host:port>`."""

from __future__ import annotations

import sys
import time

from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

ALREADY_INITIALIZED = 23


def main(address: str) -> int:
    """Returns 0 when the member takes writes. 75 when it does not within half a minute, to be started again."""
    client: MongoClient[dict[str, object]] = MongoClient(
        address, directConnection=True, serverSelectionTimeoutMS=10_000
    )
    members = [{"_id": 0, "host": address}]
    try:
        client.admin.command("replSetInitiate", {"_id": "kehu", "members": members})
    except OperationFailure as error:
        if error.code != ALREADY_INITIALIZED:
            raise
    except ConnectionFailure as error:
        sys.stderr.write(f"There is no MongoDB at {address} yet: {error}\n")
        return 75
    until = time.monotonic() + 30
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > until:
            sys.stderr.write(f"{address} does not become primary.\n")
            return 75
        time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
