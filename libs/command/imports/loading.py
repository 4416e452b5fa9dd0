"""Loads a file: converts rows, sends them in chunks, a bounded number at once, and counts what became of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google.protobuf.message import Message
from kehu.common.v1.outcome_pb2 import RowOutcome

from libs.client.errors import KehuError, from_status
from libs.command.imports import rows
from libs.command.imports.mapping import CellError, RowMapping
from libs.command.imports.progress import Counts, Progress, Rejects
from libs.command.imports.rows import Row

CHUNK = 500
"""Rows of one request: the most that a service takes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows. `messages` has one entry per row, None where the row is refused already, with its reason."""

    rows: Sequence[Row]
    messages: Sequence[Message | None]
    refused: Sequence[CellError | None]


class Target(Protocol):
    """Destination of rows of one kind."""

    def prepare(self, rows: Sequence[Row], mapping: RowMapping) -> Chunk:
        """Converts rows into messages. May look up ids."""
        ...

    def deliver(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, Sequence[RowOutcome]]]:
        """Sends chunks, several at once, and yields their outcomes in order: one per message that is not None."""
        ...


def load(
    path: Path,
    mapping: RowMapping,
    target: Target,
    *,
    tenant: str,
    reject_file: Path,
    dry_run: bool = False,
    advanced: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Loads a file and returns the counts of all of it, with those of an interrupted run that it continues.

    `advanced` is told after every chunk. A dry run converts and looks up, sends nothing and leaves nothing behind but
    the reject file. KehuError when a whole chunk is refused (no connection, no permission): nothing is lost then, run
    it again.
    """
    run = hashlib.sha256("\n".join([rows.digest(path), mapping.digest, tenant]).encode()).hexdigest()
    rows.require_readable(path, mapping)
    progress = Progress.resume(reject_file.with_suffix(".progress"), "dry run" if dry_run else run)
    rejects = Rejects(reject_file, done=progress.done)
    remaining = (row for row in rows.open_rows(path, mapping) if row.number > progress.done)
    chunks = (target.prepare(part, mapping) for part in _parts(remaining))
    answered = ((chunk, _as_new(chunk)) for chunk in chunks) if dry_run else target.deliver(chunks)
    try:
        for chunk, outcomes in answered:
            _count(chunk, outcomes, progress.counts, rejects)
            rejects.flush()
            progress.done = chunk.rows[-1].number
            if not dry_run:
                progress.save()
            advanced(progress.counts)
    finally:
        rejects.close()
    progress.forget()
    return progress.counts


def _parts(all_rows: Iterator[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in all_rows:
        part.append(row)
        if len(part) == CHUNK:
            yield part
            part = []
    if part:
        yield part


def _as_new(chunk: Chunk) -> list[RowOutcome]:
    return [RowOutcome(created=True) for message in chunk.messages if message is not None]


def _count(chunk: Chunk, outcomes: Sequence[RowOutcome], counts: Counts, rejects: Rejects) -> None:
    answers = iter(outcomes)
    for row, message, error in zip(chunk.rows, chunk.messages, chunk.refused, strict=True):
        counts.rows += 1
        refusal: KehuError | CellError | None = error
        if message is not None:
            outcome = next(answers)
            if not outcome.HasField("error"):
                counts.accepted += outcome.created
                counts.repeated += not outcome.created
                continue
            refusal = from_status(outcome.error)
        counts.rejected += 1
        rejects.add(row, *_reason(refusal))


def _reason(refusal: KehuError | CellError | None) -> tuple[str, str]:
    """The field and the reason that a person needs to mend the row."""
    if isinstance(refusal, CellError):
        return refusal.field, str(refusal)
    fields = refusal.fields if refusal else ()
    if fields:
        return fields[0].path, "; ".join(f"{f.path}: {f.description}" for f in fields)
    return "", str(refusal)
