"""Rows of docs/figures.md."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.bench.figures import FIRST, LAST, Figure, record

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


def figure(name: str, ours: float) -> Figure:
    return Figure.ratio(name, "bare", {"ours": ours, "bare": 200.0}, reach=0.5)


def test_what_was_measured_replaces_its_row_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    page.write_text(f"# Figures\n{FIRST}\n{LAST}\nwords\n")
    record([figure("get", 150), figure("list", 90)], page, MAY)
    record([figure("get", 160)], page, JUNE)
    text = page.read_text()
    assert [line for line in text.splitlines() if line.startswith("| ")][2:] == [
        "| get ‖ bare | 160 | 200 | 0.80 | >= 0.5 | 2026-06-01 |",
        "| list ‖ bare | 90.00 | 200 | 0.45 | >= 0.5, missed | 2026-05-01 |",
    ]
    assert text.endswith(f"{LAST}\nwords\n")
