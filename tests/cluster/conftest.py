"""One release on one node for all tests, and the figures at the end: a table for people and a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.cluster.node import Node
from tests.cluster.stores import Stores
from tests.cluster.suite import Suite
from tests.cluster.trial import Trial

FIGURES = pytest.StashKey[dict[str, dict[str, Any]]]()


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The release, installed and ready."""
    node = Node()
    if not node.place.inside:
        pytest.skip("The cluster is not up, so nothing of it was tried: run `make cluster`, then `make cluster-test`.")
    suite = Suite(node, Stores(node))
    if not suite.installed:
        suite.install()
    return suite


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the test measured, for the table at the end."""
    return request.config.stash.setdefault(FIGURES, {}).setdefault(request.node.name.removeprefix("test_"), {})


@pytest.fixture
def trial(request: pytest.FixtureRequest, suite: Suite, figures: dict[str, Any]) -> Iterator[Trial]:
    """Callers and a ledger for one test, on a release that is as it should be before and after."""
    suite.wait_ready()
    made = Trial(request.node.name.removeprefix("test_"), suite, figures)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the figures."""
    rows = config.stash.get(FIGURES, {})
    if not rows:
        return
    table = Table("what was done", "figures", title="on a Kubernetes node", title_justify="left")
    for name, figures in rows.items():
        table.add_row(escape(name.replace("_", " ")), ", ".join(f"{key} {value}" for key, value in figures.items()))
    console = Console(width=150)
    with console.capture() as captured:
        console.print(table)
    terminalreporter.write_line(captured.get())
    terminalreporter.write_line(json.dumps(rows))
