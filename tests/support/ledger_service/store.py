"""What the service `ledger` keeps: accounts, which publish, and a projection that counts their events.

The name of an account tells the reaction what to do wrong: `permanent`, `retryable`, `deadly`, `slow`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from libs.chassis.inbox import Permanent, Received, Retryable, Subscription
from libs.chassis.operations import Operations
from libs.chassis.store import Database
from tests.support.ledger import Account, Tally, events_pb2


class LedgerStore:
    """Accounts, and how many events of each were seen."""

    def __init__(self, database: Database) -> None:
        self.accounts = database.collection(Account, "accounts")
        self.tallies = database.collection(Tally, "tallies", publishes=False)
        self.operations = Operations(database)

    def count(self, events: Sequence[Received]) -> None:
        """The reaction: one more for each event."""
        for event in events:
            misbehave(event.message.account.name)
        self.tallies.upsert_many([(Tally(id=tally_id(event.entity_id)), 1) for event in events], Tally.plus)


def tally_id(account_id: str) -> str:
    """The tally of an account."""
    return account_id.replace("acc_", "tal_")


def misbehave(name: str) -> None:
    """What a name asks for."""
    match name:
        case "permanent":
            raise Permanent("cannot be counted")
        case "retryable":
            raise Retryable("not now")
        case "deadly":
            os._exit(9)
        case "slow":
            time.sleep(3)


def subscriptions(store: LedgerStore, *, name: str = "tallies", partitions: int = 2) -> list[Subscription]:
    """Counts everything."""
    listens = [events_pb2.AccountOpened, events_pb2.AccountChanged]
    return [Subscription(name=name, listens=listens, handle=store.count, partitions=partitions)]
