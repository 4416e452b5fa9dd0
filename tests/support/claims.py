"""Everything that documents, docstrings and messages say of the suite, as text with its place."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.support.contracts import ROOT

GAP = "…"
"""Stands for a value that is left open, such as an id, or a part that is filled in when a message is made."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the project."""

    place: str
    """File and line."""
    content: str
    document: bool = False
    """A page for readers, not a string of the code."""


@cache
def tracked(*patterns: str) -> tuple[str, ...]:
    """Returns the files of the project, without those that git does not know."""
    told = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(name for name in told.stdout.splitlines() if (ROOT / name).exists())


@cache
def texts() -> tuple[Text, ...]:
    """Returns the documents, and the strings of the code of `libs`, `services`, `docker` and `deploy`."""
    documents = [
        Text(name, (ROOT / name).read_text(), document=True)
        for name in tracked("*.md", "deploy/helm/kehu/templates/NOTES.txt")
        if name != "CHANGELOG.md"  # tells what was
    ]
    code = tracked("libs/*.py", "services/*.py", "docker/*.py", "deploy/*.py")
    return (*documents, *(text for name in code for text in strings(name)))


def strings(name: str) -> Iterator[Text]:
    """Yields the strings of a Python file. What an f-string fills in is a gap."""
    inside: set[ast.AST] = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
            parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
            yield Text(f"{name}:{node.lineno}", "".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield Text(f"{name}:{node.lineno}", node.value)


_COMMAND = re.compile(r"(?:^\s*|`|(?<= · )|\[bold\]|\[/bold\] |\| )kehu (?P<words>(?:(?! · )[^`\n])*)", re.MULTILINE)
_END = re.compile(r"\s{2,}|\s#|\[/|\\n|; | > ")


def commands(text: Text) -> Iterator[str]:
    """Yields what stands behind `kehu` in examples of commands: at the start of a line, in backticks, after a dot."""
    for found in _COMMAND.finditer(text.content.replace("\\\n", " ")):
        yield _END.split(found["words"])[0].strip()


def calls(text: Text) -> Iterator[ast.Call]:
    """Yields calls of the client in examples, such as `client.profiles.get_customer(customer_id=…)`."""
    for found in re.finditer(r"\bclient\.[a-z]+\.[a-z_0-9]+\(", text.content):
        closed = text.content[found.start() :].replace(GAP, "...")
        for end in (at + 1 for at, sign in enumerate(closed) if sign == ")"):
            try:
                parsed = ast.parse(closed[:end], mode="eval").body
            except SyntaxError:
                continue
            assert isinstance(parsed, ast.Call)
            yield parsed
            break
