"""One fault and its verdict."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.checks import settle
from tests.chaos.commands import Commands
from tests.chaos.faults import merge
from tests.chaos.lab import Lab
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.network import Wire

SEED = int(os.environ.get("KEHU_TEST_SEED") or secrets.randbelow(1_000_000))

KEPT = Path(__file__).resolve().parents[2] / "build" / "chaos"
"""Where ledgers and logs of failed trials stay."""


class Trial:
    """One fault: a tenant, a ledger, the load, and the judgement."""

    def __init__(self, name: str, lab: Lab) -> None:
        self.name, self.lab = name, lab
        self.chance = random.Random(f"{SEED} {name}")
        self.tenant = f"{name.lower()}-{uuid.uuid4().hex[:6]}"
        self.ledger = Ledger(lab.folder / f"{self.tenant}.ledger")
        self.figures: dict[str, Any] = {}
        self.violations: dict[str, list[str]] = {"unfinished": ["the test did not come to its judgement"]}
        self._missed: list[str] = []

    @contextmanager
    def under_load(self, callers: int = 5, *, no_call_fails: bool = False) -> Iterator[Load]:
        """Callers work in the block. Faults end with it, then everything is mended and has to agree.

        With `no_call_fails`, every call has to be answered at its first try, which includes what the client sends again
        by itself.
        """
        seed = self.chance.getrandbits(30)
        with (
            Commands(self.lab.system, f"{self.tenant}-all", seed) as commands,
            Load(self.lab.system, self.tenant, self.ledger, seed=seed, callers=callers) as load,
        ):
            load.wait_for(20)
            yield load
            self.lab.heal()
        violations, drained = settle(self.lab, self.tenant, self.ledger, merge(self.lab.poisons), commands)
        refused = [*load.refused, *commands.refused]
        violations |= {"refused": refused, "failed": load.failed if no_call_fails else []}
        self.judge(
            violations,
            calls=len(self.ledger.intents),
            acked=len(self.ledger.acks),
            unanswered=self.ledger.unanswered("create", "update", "ingest"),
            failed=len(load.failed),
            methods=len(commands.accepted),
            commands=len(commands.calls),
            accepted=commands.accepted.total(),
            longest_wait=round(load.longest_wait, 1),
            drained=round(drained, 1),
        )

    @contextmanager
    def behind_a_wire(self, name: str) -> Iterator[Wire]:
        """A process reaches the broker over a network that can be hurt, in the block."""
        with Wire(self.lab.broker.port) as wire:
            amqp_uri = self.lab.amqp_uri.replace(f":{self.lab.broker.port}/", f":{wire.port}/")
            self.lab.system.stop_one(name)
            self.lab.system.launch(name, {"KEHU_AMQP_URI": amqp_uri})
            self.lab.system.wait_ready(name)
            yield wire
            self.lab.system.stop_one(name)
        self.lab.heal()

    def require(self, holds: bool, otherwise: str) -> None:
        """A promise of this fault alone. A broken one shows in the verdict."""
        if not holds:
            self._missed.append(otherwise)

    def judge(self, violations: dict[str, list[str]], **figures: Any) -> None:
        """Records the verdict and fails on any violation."""
        self.figures |= figures
        self.violations = {name: each[:5] for name, each in (violations | {"missed": self._missed}).items() if each}
        if self.violations:
            kept = KEPT / f"{SEED}-{self.tenant}"
            kept.mkdir(parents=True)
            for file in (*self.lab.folder.glob(f"{self.tenant}.ledger"), *self.lab.folder.glob("services/*.log")):
                shutil.copy(file, kept)
            raise AssertionError(f"{json.dumps(self.verdict(), indent=1)}\nThe logs are in {kept}.")

    def verdict(self) -> dict[str, Any]:
        """The outcome, for people and machines."""
        return {"fault": self.name, "pass": not self.violations, **self.figures, "violations": self.violations}
