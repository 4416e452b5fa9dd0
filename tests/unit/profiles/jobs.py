"""A job as an operation's process gives it, without the process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.empty_pb2 import Empty


class Killed(Exception):
    """The process of the job died."""


@dataclass(kw_only=True)
class MemoryJob:
    """Keeps what is told to it; may die right after a checkpoint."""

    request: Any = field(default_factory=Empty)
    state: dict[str, Any] = field(default_factory=dict)
    dies_after: int = 0
    """Checkpoints until it dies; 0 for never."""
    meanwhile: Callable[[], Any] | None = None
    """What happens elsewhere at the first checkpoint."""
    done: int = 0
    checkpoints: int = 0

    def progress(self, done: int, total: int, **state: Any) -> None:
        """See `Job.progress`."""
        self.done, self.state = done, json.loads(json.dumps(state))
        self.checkpoints += 1
        if self.checkpoints == 1 and self.meanwhile is not None:
            self.meanwhile()
        if self.checkpoints == self.dies_after:
            raise Killed
