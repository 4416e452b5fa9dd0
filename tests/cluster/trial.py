"""What is done to the release while callers work, and a ledger's verdict: calls failed, events lost or doubled."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from pymongo import MongoClient

from libs.client.retry import Retry
from tests.chaos.checks import settle
from tests.chaos.lab import Lab
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.cluster.suite import Suite

SLOW = 1.2
"""Seconds by which MongoDB delays each commit in `slow`: handlers then take between one and two."""


class Trial:
    """One tenant, its callers and their ledger."""

    def __init__(self, name: str, suite: Suite, figures: dict[str, Any]) -> None:
        self.suite, self.figures = suite, figures
        self.tenant = f"{name[:24].replace('_', '-')}-{uuid.uuid4().hex[:6]}"
        self._folder = tempfile.TemporaryDirectory(prefix="kehu-cluster-")
        self._lab = Lab(Path(self._folder.name), replica_set=None, broker=None, system=suite)
        self.ledger = Ledger(self._lab.folder / "ledger")

    @contextmanager
    def under_load(self, *, callers: int = 6, retry: Retry | None = None) -> Iterator[Load]:
        """Callers work in the block. Afterwards no call may have failed, and nothing may be lost or doubled.

        Callers are as patient as every client is, unless `retry` says otherwise.
        """
        with Load(self.suite, self.tenant, self.ledger, seed=1, callers=callers, retry=retry or Retry()) as load:
            load.wait_for(20, 120)
            yield load
            load.wait_for(len(self.ledger.acks) + 20, 120)
        self.suite.wait_ready()
        violations, drained = settle(self._lab, self.tenant, self.ledger, {})
        wrong = {name: each for name, each in violations.items() if each}
        self.figures |= {
            "calls": len(self.ledger.intents),
            "failed": len(load.failed) + len(load.refused),
            "lost or doubled": sum(map(len, wrong.values())),
            "median call": f"{median(load.waits):.2f} s",
            "longest call": f"{load.longest_wait:.1f} s",
            "settled after": f"{drained:.1f} s",
        }
        assert not load.refused, load.refused[:3]
        assert not load.failed, load.failed[:3]
        assert not wrong, wrong

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Every change and every reaction takes `SLOW` seconds longer: MongoDB waits before it writes."""
        with MongoClient[dict[str, Any]](self.suite.stores.mongodb_uri) as client:
            delay = {"failCommands": ["insert", "update", "commitTransaction"], "blockConnection": True}
            delay |= {"blockTimeMS": int(SLOW * 1000)}
            client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=delay)
            try:
                yield
            finally:
                client.admin.command("configureFailPoint", "failCommand", mode="off")

    def close(self) -> None:
        self.ledger.close()
        self._folder.cleanup()
