"""Committed files that are derived from elsewhere, as a whole or between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def between(text: str, first: str, last: str, content: str) -> str:
    """Returns the text with other content between the line that holds `first` and the line that holds `last`."""
    lines = text.splitlines(keepends=True)
    places = [[number for number, line in enumerate(lines) if mark in line] for mark in (first, last)]
    match places:
        case [[begin], [end]] if begin < end:
            return "".join([*lines[: begin + 1], content, *lines[end:]])
    raise ValueError(f"the marks {first!r} and {last!r} must stand there once each, in this order")


def write(files: Mapping[Path, str]) -> None:
    """Writes what is not current, and names it."""
    for path, text in files.items():
        if not _holds(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"Wrote {path.relative_to(ROOT)}")  # noqa: T201


def stale(files: Mapping[Path, str]) -> list[str]:
    """Returns the names of files that do not hold what they should."""
    return [str(path.relative_to(ROOT)) for path, text in files.items() if not _holds(path, text)]


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text
