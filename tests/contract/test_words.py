"""Plain words: docstrings open with a subject or a verb, say one thing in line one, and use the words of the glossary.

Every folder has a number of docstrings that may still break a rule, and it may only fall: `KEHU_TEST_WORDS=write` takes
what was reached into `words.json`. A folder without a number may have two of a hundred, and no avoided word.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.support.claims import tracked
from tests.support.contracts import ROOT

RATCHET = ROOT / "tests" / "contract" / "words.json"
TOLERATED = 0.02
OPENING = re.compile(r"(what|who|whose|whom|whether|where|when|how|which|why)\b", re.IGNORECASE)
AVOIDED: Mapping[str, re.Pattern[str]] = {
    "loser, for an absorbed customer": re.compile(r"\blosers?\b", re.IGNORECASE),
    "master, for a key-encryption key": re.compile(r"\bmasters?( keys?)?\b", re.IGNORECASE),
    "set aside, for parked": re.compile(r"\bsets? aside\b", re.IGNORECASE),
    "dead event or queue, for parked": re.compile(r"\bdead[- ](event|letter|queue)", re.IGNORECASE),
    "news, for events or a projection": re.compile(r"\bnews\b", re.IGNORECASE),
    "a contact, for an interaction": re.compile(
        r"\bcontacts?\b(?![- ](point|record|center|centre|habit|form|detail)|_|\.|`)", re.IGNORECASE
    ),
    "token without its adjective": re.compile(
        "".join(f"(?<!{word} )" for word in ("access", "page", "continuity", "resume", "bearer", "survey", "kehu"))
        + r"(?<![_=])\btokens?\b(?![-_`/.=])",
        re.IGNORECASE,
    ),
}
"""What is wrong → how it is found in docstrings."""


def folder(name: str) -> str:
    """Returns the folder that answers for a file: a service, a room of libs, or one of the others."""
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] in {"libs", "services"} and len(parts) > 2 else parts[0]


def docstrings(name: str) -> Iterator[str]:
    """Yields the docstrings of a Python file, those of attributes too."""
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                yield statement.value.value.strip()


@cache
def counted() -> Mapping[str, Mapping[str, int]]:
    """Folder → how many docstrings there are, and how many break which rule."""
    found: dict[str, Counter[str]] = {}
    for name in tracked("*.py"):
        here = found.setdefault(folder(name), Counter())
        for text in docstrings(name):
            here["docstrings"] += 1
            here["opening"] += bool(OPENING.match(text))
            here["semicolon"] += ";" in text.partition("\n")[0]
            here.update(word for word, pattern in AVOIDED.items() if pattern.search(text))
    return found


def allowed(here: str, rule: str) -> int:
    """Returns how many docstrings of a folder may break a rule."""
    known: dict[str, dict[str, int]] = json.loads(RATCHET.read_text())
    tolerated = int(counted()[here]["docstrings"] * TOLERATED) if rule in {"opening", "semicolon"} else 0
    return max(tolerated, known.get(here, {}).get(rule, 0))


@pytest.mark.parametrize("rule", ["opening", "semicolon", *AVOIDED])
def test_docstrings_become_plainer(rule: str) -> None:
    worse = {
        here: f"{counts[rule]}, and {allowed(here, rule)} are allowed"
        for here, counts in sorted(counted().items())
        if counts[rule] > allowed(here, rule)
    }
    assert worse == {}, "open with subject or verb, one thing in line one, words of docs/glossary.md"


def test_the_numbers_are_taken_down() -> None:
    """Writes what was reached when it is asked to, and never a greater number."""
    if os.environ.get("KEHU_TEST_WORDS") == "write":
        rules = ["opening", "semicolon", *AVOIDED]
        reached = {
            here: left
            for here, counts in sorted(counted().items())
            if (left := {rule: min(counts[rule], allowed(here, rule)) for rule in rules if counts[rule]})
        }
        RATCHET.write_text(json.dumps(reached, indent=1) + "\n")
    known = json.loads(RATCHET.read_text())
    assert known.keys() <= counted().keys(), "a folder that is gone has numbers"
