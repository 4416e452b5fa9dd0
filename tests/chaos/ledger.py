"""What the callers believe: every call that was begun and every answer, on disk before and after."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["create", "update", "ingest"]


@dataclass(frozen=True, slots=True)
class Ack:
    """An answer: the change is promised to stay."""

    value: str
    """Unique to the call, and written into the entity by it."""
    kind: Kind
    entity: str
    revision: int


class Ledger:
    """An append-only file of intents and answers, synced to disk line by line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._lock = threading.Lock()
        self.intents: dict[str, Kind] = {}
        self.acks: dict[str, Ack] = {}

    def intend(self, value: str, kind: Kind) -> None:
        """Before the call."""
        with self._lock:
            self._write("intent", value, kind)
            self.intents[value] = kind

    def acknowledge(self, ack: Ack) -> None:
        """After the answer."""
        with self._lock:
            self._write("ack", ack.value, ack.kind, ack.entity, str(ack.revision))
            self.acks[ack.value] = ack

    def acked(self, *kinds: Kind) -> list[Ack]:
        """Answers to calls of these kinds."""
        with self._lock:
            return [ack for ack in self.acks.values() if ack.kind in kinds]

    def unanswered(self, *kinds: Kind) -> int:
        """Calls of these kinds that were begun and never answered. They may have had an effect or not."""
        with self._lock:
            return sum(kind in kinds and value not in self.acks for value, kind in self.intents.items())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, *words: str) -> None:
        self._file.write("\t".join(words).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
