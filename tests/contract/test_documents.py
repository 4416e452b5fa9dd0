"""The documents follow the code: pages of services name their areas, and the index of decisions names every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from libs.engine.store.memory import MemoryDatabase
from libs.registry import SERVICES
from libs.suite import composition, routes
from tests.contract.test_layering import AREAS
from tests.support.contracts import ROOT

DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
LONGEST = 60
"""Lines of a decision: what is longer decides two things."""


@pytest.mark.parametrize("service", SERVICES)
def test_the_page_of_a_service_names_its_areas_and_what_it_must_never_do(service: str) -> None:
    page = (ROOT / "docs" / "services" / f"{service}.md").read_text()
    told = re.findall(r"^\| ([a-z0-9]+) \|", page, re.MULTILINE)
    assert sorted({"area", *AREAS[service]}) == sorted(told)
    assert "## What it must never do" in page
    named = {word for word in re.findall(r"[a-z_]{4,}", page) if "_" in word}
    known = {route.name for other in SERVICES for route in routes(other)}
    for other in SERVICES:
        described = composition(other)
        known |= {timer.name for timer in described.timers(described.store(MemoryDatabase(other)))}
    assert named <= known, "flows name subscriptions and timers that exist"


def test_the_index_names_every_decision_once() -> None:
    index = (DECISIONS / "README.md").read_text()
    _, ten, *areas = re.split(r"^## ", index, flags=re.MULTILINE)
    assert len(_pages(ten)) == 10
    assert sorted(_pages("".join(areas))) == [page.name for page in PAGES]


def _pages(text: str) -> list[str]:
    return re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", text)


def test_a_number_names_one_decision() -> None:
    """Numbers are given out before their pages are written, so that work at the same time does not meet in one."""
    numbers = [int(page.name[:4]) for page in PAGES]
    assert numbers == sorted({*numbers})
    assert numbers[0] == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_says_when_why_what_and_at_which_price(page: Path) -> None:
    text = page.read_text()
    parts = re.split(r"^#+ .+$", text, flags=re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Choice", "Price"]
    assert re.search(r"^Status: (accepted|superseded) · Area: .+ · Superseded by: .+$", text, re.MULTILINE)
    assert all(part.strip() for part in parts[1:])
    assert len(text.splitlines()) <= LONGEST
