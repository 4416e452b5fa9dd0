"""Every refusal has a name: a class, listed once in `ErrorReason` with what to do about it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from kehu.common.v1 import error_reason_pb2

from libs.chassis.domain import upper_snake
from tests.support.contracts import ROOT, elements, image

KINDS = {
    "InvalidArgument": "INVALID_ARGUMENT",
    "NotFound": "NOT_FOUND",
    "AlreadyExists": "ALREADY_EXISTS",
    "FailedPrecondition": "FAILED_PRECONDITION",
    "Conflict": "ABORTED",
    "PermissionDenied": "PERMISSION_DENIED",
}
"""Kind of refusal → the code that callers get."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A class of refusals as it is written."""

    name: str
    code: str
    docstring: str
    fields: frozenset[str]


def sources() -> Iterator[tuple[str, ast.AST]]:
    """(path, tree) of every file of libs and services."""
    for path in sorted([*(ROOT / "libs").rglob("*.py"), *(ROOT / "services").rglob("*.py")]):
        yield str(path.relative_to(ROOT)), tree(path)


@cache
def tree(path: Path) -> ast.AST:
    """A file as it is parsed."""
    return ast.parse(path.read_text())


def refusals() -> list[Refusal]:
    """Every class below one of the kinds, apart from those of the SDK, which tell a client what it was answered."""
    return [
        Refusal(node.name, code, ast.get_docstring(node) or "", frozenset(fields_of(node)))
        for folder in ("libs/calls", "libs/chassis", "libs/engine", "libs/worktime", "services")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        for code in {KINDS[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in KINDS}
    ]


def fields_of(node: ast.ClassDef) -> Iterator[str]:
    """The names of a refusal's data."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and "ClassVar" not in ast.dump(each):
            yield each.target.id


def reasons() -> Mapping[str, str]:
    """Reason → the comment in front of it."""
    (file,) = (found for name, found in image().items() if name.endswith("/error_reason.proto"))
    start = "kehu.common.v1.ErrorReason.ERROR_REASON_"
    return {each.name.removeprefix(start): each.comment for each in elements(file) if each.name.startswith(start)}


def is_anonymous(node: ast.AST) -> bool:
    """Whether a call makes a refusal that its reason does not tell from others."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS):
        return False
    match node.func.id:
        case "InvalidArgument":
            return not any(word.arg == "violations" for word in node.keywords)
        case "NotFound":
            return isinstance(node.args[0], ast.Constant | ast.JoinedStr)
    return True


def test_every_refusal_that_is_raised_has_a_name() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, parsed in sources()
        for node in ast.walk(parsed)
        if isinstance(node, ast.Call) and is_anonymous(node)
    ]
    assert found == [], "raise a class of its own below the kind, with its data as fields, and list it in ErrorReason"


def test_every_refusal_is_listed_with_what_to_do() -> None:
    listed = reasons()
    for refusal in refusals():
        reason = upper_snake(refusal.name)
        assert reason in listed, f"add ERROR_REASON_{reason} to error_reason.proto, with a comment that says what to do"
        assert re.match(rf"{refusal.code}: \S", listed[reason]), f"{reason}: the comment starts with `{refusal.code}: `"


def test_a_name_is_taken_once() -> None:
    named = Counter(refusal.name for refusal in refusals())
    assert [name for name, number in named.items() if number > 1] == []
    assert len(reasons()) == len(error_reason_pb2.ErrorReason.keys())


def test_every_message_is_a_sentence_of_its_own_data() -> None:
    for refusal in refusals():
        used = {name for _, name, _, _ in Formatter().parse(refusal.docstring) if name is not None}
        assert used <= refusal.fields, f"{refusal.name} mentions {used - refusal.fields}, which it does not carry"
        assert refusal.docstring.endswith("."), f"{refusal.name}: the docstring is the message, a sentence"
