"""The long work of the service `ledger`: opens accounts, slowly, one by one."""

from __future__ import annotations

import os
import time

from google.protobuf.wrappers_pb2 import Int64Value

from libs.chassis.domain import InvalidArgument
from libs.chassis.operations import Job, OperationKind
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore

STEP = 0.02
"""Seconds that one account takes."""


def kinds(store: LedgerStore) -> list[OperationKind]:
    """`open_accounts` opens as many as it is told and returns how many; `die` kills its process every time."""

    def open_accounts(job: Job) -> Int64Value:
        total = job.request.value
        if total < 0:
            raise InvalidArgument.field("value", "is negative")
        for number in range(job.state.get("opened", 0), total):
            account = Account(id="", name=f"account {number}")
            store.accounts.insert(account.open(), key=f"operation/{number}")
            time.sleep(STEP)
            job.progress(number + 1, total, opened=number + 1)
        return Int64Value(value=total)

    def die(_: Job) -> Int64Value:
        os._exit(9)

    return [
        OperationKind(name="open_accounts", request=Int64Value, run=open_accounts),
        OperationKind(name="die", request=Int64Value, run=die),
    ]
