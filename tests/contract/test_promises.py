"""Every promise of docs/promises.md names tests that exist: a promise without one is a wish."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs" / "promises.md").read_text().splitlines()
    if re.match(r"\| \d+ \|", line)
]


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests of a file, also of those in classes."""
    functions = (each for each in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(each, ast.FunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test"))


def test_there_are_sixteen() -> None:
    assert [number for number, *_ in ROWS] == [str(number) for number in range(1, 17)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_promise_names_tests_that_exist(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])
    assert named, "nothing proves it"
    assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []


def test_every_file_that_is_named_is_run_by_ci_or_by_chaos() -> None:
    """`make chaos` is run by a person, the others belong to `make test`."""
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make test" in ci
    tiers = ("tests/unit/", "tests/contract/", "tests/chart/", "tests/integration/", "tests/e2e/", "tests/chaos/")
    for row in ROWS:
        assert all(file.startswith(tiers) for file in re.findall(r"`(tests/[\w/]+\.py)::", row[2]))
