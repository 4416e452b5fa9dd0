"""A job as an operation gives it to its function, killed and cancelled as the test wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import msgspec

from libs.chassis.operations import Stopped, kept

R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

_NOTHING: Any = {}


@dataclass
class MemoryJob(Generic[R, S]):
    """Keeps the checkpoints of a job. `stop` says at which call of `progress` the process is gone."""

    request: R = cast(Any, None)  # noqa: RUF009  (a job that asks for nothing)
    state: S = field(default_factory=cast(Any, dict))
    told: list[tuple[int, int]] = field(default_factory=list)
    stop: Callable[[int], bool] = lambda _: False

    def progress(self, done: int, total: int, state: S | None = None, **fields: Any) -> None:
        """See `Job.progress`."""
        saved: Any = fields if state is None else state
        self.state = msgspec.json.decode(kept(saved), type=type(saved))
        self.told.append((done, total))
        if self.stop(len(self.told)):
            raise Stopped("killed")


def run_killed_everywhere(run: Callable[[MemoryJob[R, S]], T], request: R, state: S = _NOTHING) -> tuple[T, int]:
    """The result of work that is killed at each of its checkpoints in turn, and how often it was killed."""
    kills = 0
    while True:
        last = kills % 3 + 2
        job = MemoryJob(request, state, stop=last.__eq__)
        try:
            return run(job), kills
        except Stopped:
            state = job.state
            kills += 1
            assert kills < 1000, "the work does not get further"  # noqa: S101  (for tests)
