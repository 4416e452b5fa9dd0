"""One call of the chassis for what every service repeats: habits that were given up stay given up."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.contracts import FOLDER, ROOT

INSTEAD = {
    "cast(Message": "make a PageRequest where the request arrives, and hand values on",
    "MongoCollection": "ask the store by `rows` or `totals`, which have a twin in memory",
    ".fold(": "say `update_many` or `upsert_many`",
    "context.enter(Context(": "let timers and subscriptions enter the tenant",
    "class ListRequest": "take a PageRequest",
    ".Name(": "say `enum_word`, which a value of a newer release does not end",
    "Job[Any, Any]": "give the job a dataclass of its request and one of its checkpoints",
}
"""Given up in services → the call that replaces it."""


def sources(*parts: str) -> Iterator[tuple[str, str]]:
    """Yields (path, text) of the files of services, of some parts of them only when there are any."""
    for path in sorted(FOLDER.rglob("*.py")):
        names = {*path.relative_to(ROOT).with_suffix("").parts}
        if not parts or names & {*parts}:
            yield str(path.relative_to(ROOT)), path.read_text()


@pytest.mark.parametrize("habit", INSTEAD)
def test_a_habit_stays_given_up(habit: str) -> None:
    assert [path for path, text in sources() if habit in text] == [], INSTEAD[habit]


def test_requests_are_read_field_by_field() -> None:
    """A private dataclass in an api that reads one field of a request is `field_of(request, name, type)`."""
    private = [
        f"{path}:{node.lineno}"
        for path, text in sources("api")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef) and node.name.startswith("_") and node.decorator_list
    ]
    assert private == []


def test_application_code_sees_values() -> None:
    asked = [path for path, text in sources("application") if "HasField(" in text]
    assert asked == [], "read the field in the api, with a default for its absence"
