"""Traces of an interrupted load: how far it came, and the rows that were refused.

Both only save work. Rows carry keys by which the services recognise a repeat, so losing the progress file costs time
and nothing else.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from libs.command.imports.rows import Row

_HEADER = ["row", "field", "reason", "original"]


@dataclass(slots=True, kw_only=True)
class Counts:
    """Counts of the rows of a file by outcome."""

    rows: int = 0
    """Rows to load: all of the file, but for those that `distinct` leaves out."""
    accepted: int = 0
    """Rows that made something new."""
    repeated: int = 0
    """Rows that had been loaded before."""
    rejected: int = 0
    """Rows that are in the reject file."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """The state of one load, saved after every chunk."""

    path: Path
    run: str
    """Digest of file, mapping and tenant. Progress of another run does not count."""
    done: int = 0
    """All rows up to this number have been answered."""
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def resume(cls, path: Path, run: str) -> Progress:
        """The progress that an interrupted run of the same load left, or a new one."""
        try:
            saved = json.loads(path.read_text())
            if saved["run"] == run:
                return cls(path=path, run=run, done=saved["done"], counts=Counts(**saved["counts"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return cls(path=path, run=run)  # none, or cut short by a crash: start again, which repeats harmlessly
        return cls(path=path, run=run)

    def save(self) -> None:
        """Replaces the file as a whole, so a kill leaves the old or the new one."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_text(json.dumps({"run": self.run, "done": self.done, "counts": asdict(self.counts)}))
        fresh.replace(self.path)

    def forget(self) -> None:
        """The load is complete: the next one starts at the first row."""
        self.path.unlink(missing_ok=True)


class Rejects:
    """The file of refused rows: CSV with row number, field, reason and the row as it was. Made when the first comes."""

    def __init__(self, path: Path, *, done: int) -> None:
        self.path = path
        self._file: IO[str] | None = None
        kept = [line for line in self._lines() if int(line[0]) <= done] if done else []
        path.unlink(missing_ok=True)
        for line in kept:
            self._write(line)
        self.flush()

    def add(self, row: Row, field: str, reason: str) -> None:
        """Keeps one refused row."""
        self._write([str(row.number), field, reason, json.dumps(row.cells, ensure_ascii=False)])

    def flush(self) -> None:
        """Hands everything to the operating system, which keeps it when this process is killed."""
        if self._file:
            self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file:
            self._file.close()

    def _lines(self) -> list[list[str]]:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                return [line for line in list(csv.reader(file))[1:] if len(line) == len(_HEADER)]
        except FileNotFoundError:
            return []

    def _write(self, line: list[str]) -> None:
        if self._file is None:
            # Rows hold what is personal in clear, so nobody else may read them.
            self.path.touch(mode=0o600, exist_ok=False)
            self._file = self.path.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerow(_HEADER)
        csv.writer(self._file).writerow(line)
