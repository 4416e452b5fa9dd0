"""Who may import whom among `libs`, and that nothing in `libs` and `services` imports itself through others."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.contract.test_layering import AREAS, imports
from tests.support.contracts import ROOT

ROOMS: Mapping[str, set[str]] = {
    "libs.registry": set(),
    "libs.generated": set(),
    "libs.money": set(),
    "libs.statistics": set(),
    "libs.chassis": set(),
    "libs.almanac": {"libs.chassis"},
    "libs.worktime": {"libs.chassis"},
    "libs.client": {"libs.chassis", "libs.money", "libs.registry"},
    "libs.calls": {"libs.chassis", "libs.client", "libs.registry"},
    "services": {
        "libs.almanac",
        "libs.calls",
        "libs.chassis",
        "libs.money",
        "libs.registry",
        "libs.statistics",
        "libs.worktime",
    },
    "libs.suite": {"libs.chassis", "services"},
    "libs.localstack": {"libs.chassis", "libs.registry"},
    "libs.command": {"libs.almanac", "libs.chassis", "libs.client", "libs.registry", "libs.suite"},
    "libs.monitoring": {"libs.chassis", "libs.localstack", "libs.registry", "libs.suite"},
}
"""Room → the rooms that it may import. Above `services` lies what people run, below what services are made of."""

OPEN_CIRCLES = {
    frozenset(f"libs.chassis.run.{name}" for name in ("api", "service", "upkeep", "worker")),
}
"""Circles that are still to be opened; there will be no new ones."""


def modules() -> dict[str, Path]:
    """Name → file of every module of `libs` and `services`."""
    found = {}
    for top in ("libs", "services"):
        for path in (ROOT / top).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()
MAIN = "if __name__ == '__main__':"


def own(name: str) -> str:
    """Returns the module of ours that an imported name lies in; empty when it is none of ours."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room(module: str) -> str:
    """Returns the room of a module."""
    parts = module.split(".")
    return parts[0] if parts[0] == "services" else ".".join(parts[:2])


def graph() -> dict[str, set[str]]:
    """Module → the modules of ours that it imports, anywhere in its text."""
    return {name: {own(each) for each in imports(path)} - {"", name} for name, path in MODULES.items()}


def circles(edges: Mapping[str, set[str]]) -> Iterator[frozenset[str]]:
    """Yields groups of modules each of which imports, through others, every other of its group."""
    reached = {name: _reachable(name, edges) for name in edges}
    seen = set[str]()
    for name in edges:
        group = frozenset({other for other in reached[name] if name in reached.get(other, set())})
        if group and name not in seen:
            seen |= group
            yield group


def _reachable(name: str, edges: Mapping[str, set[str]]) -> set[str]:
    found, waiting = set[str](), [name]
    while waiting:
        fresh = edges.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def test_every_room_imports_only_what_the_table_allows() -> None:
    wrong = [
        f"{name} imports {other}; libs and services may import what the table ROOMS says"
        for name, others in graph().items()
        for other in sorted(others)
        if room(other) != room(name) and room(other) not in ROOMS.get(room(name), set())
    ]
    assert wrong == []


def test_the_tables_have_no_circles() -> None:
    for name, table in {"rooms": ROOMS, **AREAS}.items():
        try:
            TopologicalSorter({each: others - {each} for each, others in table.items()}).prepare()
        except CycleError as error:
            pytest.fail(f"the table of {name} has a circle: {error.args[1]}")


def test_nothing_imports_itself_through_others() -> None:
    found = set(circles(graph()))
    assert found - OPEN_CIRCLES == set(), "move what both sides need into a module below them"
    assert OPEN_CIRCLES - found == set(), "it is open now: take it out of OPEN_CIRCLES"


def test_a_circle_is_seen() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert list(circles(edges)) == [frozenset({"b", "c"})]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("libs.client", ["typer", "rich", "pymongo", "amqp", "eventlet", "services"]),
        ("libs.registry", ["grpc", "google", "pymongo", "typer"]),
        ("libs.command.entry", ["libs.client", "libs.chassis.run", "typer", "grpc", "pymongo", "eventlet"]),
    ],
)
def test_an_import_brings_nothing_that_its_users_do_not_need(module: str, absent: list[str]) -> None:
    program = f"import sys; import {module}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_no_module_decides_by_the_command_line_or_loads_names_lazily() -> None:
    """Both make an import depend on who imports; the arguments are read by functions, and packages stay plain."""
    wrong = []
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                wrong += [f"{name} has a lazy __getattr__"] if node.name == "__getattr__" else []
            elif not isinstance(node, ast.ClassDef) and ast.unparse(node).partition("\n")[0] != MAIN:
                wrong += [f"{name} reads sys.argv when it is imported"] if "sys.argv" in ast.unparse(node) else []
    assert wrong == []
