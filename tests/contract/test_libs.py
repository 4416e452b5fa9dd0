"""The table of imports among `libs`, and that nothing in `libs` and `services` imports itself through others."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, DEDENT, ENDMARKER, INDENT, NEWLINE, NL, generate_tokens

import pytest

from tests.contract.test_layering import AREAS, imports
from tests.support.contracts import ROOT

ROOMS: Mapping[str, set[str]] = {
    "libs.registry": set(),
    "libs.generated": set(),
    "libs.money": set(),
    "libs.statistics": set(),
    "libs.tracing": set(),
    "libs.chassis": {"libs.tracing"},
    "libs.engine": {"libs.chassis", "libs.tracing"},
    "libs.chassis.testing": {"libs.chassis", "libs.engine"},
    "libs.almanac": {"libs.chassis"},
    "libs.worktime": {"libs.chassis"},
    "libs.client": {"libs.chassis", "libs.engine", "libs.money", "libs.registry"},
    "libs.calls": {"libs.chassis", "libs.client", "libs.engine", "libs.registry", "libs.tracing"},
    "services": {
        "libs.almanac",
        "libs.calls",
        "libs.chassis",
        "libs.engine",
        "libs.money",
        "libs.registry",
        "libs.statistics",
        "libs.worktime",
    },
    "libs.suite": {"libs.engine", "services"},
    "libs.localstack": {"libs.engine", "libs.registry"},
    "libs.command": {"libs.almanac", "libs.chassis", "libs.client", "libs.engine", "libs.registry", "libs.suite"},
    "libs.monitoring": {"libs.engine", "libs.localstack", "libs.registry", "libs.suite"},
}
"""Room → the rooms that it may import. Above `services` lies what people run, below what services are made of."""


CHASSIS_LINES = 2500
"""Lines of code that the author of a service may have to read."""


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
    """Returns the module of ours that an imported name lies in. Empty when it is none of ours."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def room(module: str) -> str:
    """Returns the room of a module, the innermost when rooms lie in each other."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in ROOMS), ".".join(parts[:2]))


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
    assert list(circles(graph())) == [], "move what both sides need into a module below them"


def lines_of_code(path: Path) -> int:
    """Returns the number of lines of a file that hold code: no docstrings, comments and blanks."""
    source = path.read_text()
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    silent = {COMMENT, NL, NEWLINE, INDENT, DEDENT, ENDMARKER}
    coded = {
        line
        for each in generate_tokens(StringIO(source).readline)
        if each.type not in silent
        for line in range(each.start[0], each.end[0] + 1)
    }
    return len(coded - texts)


def test_the_chassis_stays_short_enough_to_read() -> None:
    total = sum(lines_of_code(path) for name, path in MODULES.items() if name.startswith("libs.chassis"))
    assert total <= CHASSIS_LINES, "keep declarations and verbs here, and the rest in libs.engine"


def test_the_reading_order_names_every_module_of_the_chassis() -> None:
    order = ast.get_docstring(ast.parse((ROOT / "libs/chassis/__init__.py").read_text())) or ""
    modules = {name.split(".")[2] for name in MODULES if name.startswith("libs.chassis.")}
    assert {name for name in modules if f"`{name}`" not in order} == set()


def test_a_service_meets_the_engine_in_its_composition_root_alone() -> None:
    wrong = [
        f"{name} imports {other}; declare it in libs.chassis, or put it together in __main__"
        for name, others in graph().items()
        if room(name) == "services" and not name.endswith(".__main__")
        for other in sorted(others)
        if room(other) in {"libs.engine", "libs.chassis.testing"}
    ]
    assert wrong == []


def test_a_circle_is_seen() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert list(circles(edges)) == [frozenset({"b", "c"})]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("libs.client", ["typer", "rich", "pymongo", "amqp", "eventlet", "services"]),
        ("libs.registry", ["grpc", "google", "pymongo", "typer"]),
        ("libs.command.entry", ["libs.client", "libs.engine.run", "typer", "grpc", "pymongo", "eventlet"]),
    ],
)
def test_an_import_brings_nothing_that_its_users_do_not_need(module: str, absent: list[str]) -> None:
    program = f"import sys; import {module}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_no_module_decides_by_the_command_line_or_loads_names_lazily() -> None:
    """Both make an import depend on who imports. The arguments are read by functions, and packages stay plain."""
    wrong = []
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                wrong += [f"{name} has a lazy __getattr__"] if node.name == "__getattr__" else []
            elif not isinstance(node, ast.ClassDef) and ast.unparse(node).partition("\n")[0] != MAIN:
                wrong += [f"{name} reads sys.argv when it is imported"] if "sys.argv" in ast.unparse(node) else []
    assert wrong == []
