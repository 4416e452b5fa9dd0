"""One lab for all faults, and the verdict at the end: a table for people and one line of JSON for machines."""

from __future__ import annotations

import json
import os
import random
import secrets
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from libs.localstack.processes import guard
from tests.chaos.checks import Poison, settle
from tests.chaos.faults import merge
from tests.chaos.lab import Lab, lab
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load

SEED = int(os.environ.get("KEHU_TEST_SEED") or secrets.randbelow(1_000_000))
_rows: list[dict[str, Any]] = []


@pytest.fixture(scope="session")
def shared() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="kehu-chaos-"))
    guard(folder)
    with lab(folder) as made:
        yield made


class Trial:
    """One fault: a tenant, a ledger, the load, and the judgement."""

    def __init__(self, name: str, lab: Lab) -> None:
        self.name, self.lab = name, lab
        self.chance = random.Random(f"{SEED} {name}")
        self.tenant = f"{name.lower()}-{uuid.uuid4().hex[:6]}"
        self.ledger = Ledger(lab.folder / f"{self.tenant}.ledger")
        self.poisons: list[Poison] = _poisons
        self.figures: dict[str, Any] = {}

    @contextmanager
    def under_load(self, callers: int = 4) -> Iterator[Load]:
        """Callers work in the block; faults end with it, then everything is mended and has to agree."""
        with Load(self.lab.system, self.tenant, self.ledger, seed=self.chance.getrandbits(30), callers=callers) as load:
            load.wait_for(20)
            yield load
            self.lab.heal()
        violations, drained = settle(self.lab, self.tenant, self.ledger, merge(self.poisons))
        violations |= {"refused": load.refused} if load.refused else {}
        self.judge(
            violations,
            calls=len(self.ledger.intents),
            acked=len(self.ledger.acks),
            unanswered=self.ledger.unanswered("create", "update", "ingest"),
            failed=len(load.failed),
            longest_wait=round(load.longest_wait, 1),
            drained=round(drained, 1),
        )

    def judge(self, violations: dict[str, list[str]], **figures: Any) -> None:
        """Records the verdict and fails on any violation."""
        self.figures |= figures
        broken = {name: each[:5] for name, each in violations.items() if each}
        _rows.append({"fault": self.name, "seed": SEED, "pass": not broken, **self.figures, "violations": broken})
        assert not broken, json.dumps({"fault": self.name, "seed": SEED, "violations": broken}, indent=1)


_poisons: list[Poison] = []


@pytest.fixture
def trial(request: pytest.FixtureRequest, shared: Lab) -> Iterator[Trial]:
    """The trial of a test named `test_f1_…`."""
    shared.heal()
    made = Trial(request.node.name.split("_")[1].upper(), shared)
    yield made
    made.ledger.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the verdict."""
    if not _rows:
        return
    table = Table("fault", "verdict", "figures", title=f"chaos, seed {SEED}", title_justify="left")
    for row in _rows:
        figures = {name: value for name, value in row.items() if name not in ("fault", "seed", "pass", "violations")}
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        table.add_row(row["fault"], "pass" if row["pass"] else f"FAIL {', '.join(row['violations'])}", text)
    with Console(width=150).capture() as _:
        pass
    console = Console(width=150)
    with console.capture() as captured:
        console.print(table)
    terminalreporter.write_line(captured.get())
    terminalreporter.write_line(json.dumps({"seed": SEED, "pass": all(row["pass"] for row in _rows), "faults": _rows}))
