"""One lab for all faults, and the verdict at the end: a table for people and one line of JSON for machines."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from libs.localstack.processes import guard
from tests.chaos.lab import Lab, lab
from tests.chaos.trial import SEED, Trial

TRIALS = pytest.StashKey[list[Trial]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hours", type=float, default=0, help="hours that the test of everything goes on")


def pytest_report_header() -> str:
    """Prints the seed first: whoever has to end a run can still repeat it."""
    return f"chaos, seed {SEED}: KEHU_TEST_SEED={SEED} repeats it"


@pytest.fixture(scope="session")
def shared() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="kehu-chaos-"))
    guard(folder)
    with lab(folder) as made:
        yield made


@pytest.fixture
def trial(request: pytest.FixtureRequest, shared: Lab) -> Iterator[Trial]:
    """The trial of a test named `test_f1_…`."""
    shared.heal()
    made = Trial(request.node.name.split("_")[1].upper(), shared)
    request.config.stash.setdefault(TRIALS, []).append(made)
    yield made
    made.ledger.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the verdict."""
    rows = [trial.verdict() for trial in config.stash.get(TRIALS, [])]
    if not rows:
        return
    table = Table("fault", "verdict", "figures", title=f"chaos, seed {SEED}", title_justify="left")
    for row in rows:
        figures = {name: value for name, value in row.items() if name not in ("fault", "pass", "violations")}
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        table.add_row(row["fault"], "pass" if row["pass"] else f"FAIL {', '.join(row['violations'])}", text)
    console = Console(width=150)
    with console.capture() as captured:
        console.print(table)
    terminalreporter.write_line(captured.get())
    terminalreporter.write_line(json.dumps({"seed": SEED, "pass": all(row["pass"] for row in rows), "faults": rows}))
