"""Services take the clock, randomness and the environment from the chassis, so that a test decides all three."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contracts import ROOT

FOLDERS = ("services", "libs/statistics", "libs/worktime")
FORBIDDEN_MODULES = {"os", "random", "secrets", "time", "uuid"}
FORBIDDEN_CALLS = {
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "np.random.default_rng",
    "numpy.random.default_rng",
}
WITH_SEED = ("np.random.Generator", "np.random.Philox", "np.random.PCG64", "np.random.SFC64", "np.random.SeedSequence")
ALLOWED: dict[str, str] = {}
"""File → why it may after all."""


def impurities(text: str) -> Iterator[str]:
    """Yields the clocks, random sources and looks at the environment in a source text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (f"imports {each.name}" for each in node.names if each.name in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            yield f"imports {node.module}"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in FORBIDDEN_CALLS or (name.startswith("np.random.") and not name.startswith(WITH_SEED)):
                yield f"calls {name}"


def test_services_take_time_and_chance_from_the_chassis() -> None:
    found = {
        str(path.relative_to(ROOT)): list(impurities(path.read_text()))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    wrong = {name: each for name, each in found.items() if each and name not in ALLOWED}
    assert wrong == {}, "take it from libs.chassis.identity"
    assert {name for name in ALLOWED if not found.get(name)} == set()


@pytest.mark.parametrize(
    "text",
    [
        "import random",
        "from time import sleep",
        "from datetime import datetime\nat = datetime.now(UTC)",
        "import numpy as np\nx = np.random.normal(size=3)",
    ],
)
def test_an_impurity_is_seen(text: str) -> None:
    assert list(impurities(text))


def test_folders_exist() -> None:
    assert all((ROOT / Path(folder)).is_dir() for folder in FOLDERS)
