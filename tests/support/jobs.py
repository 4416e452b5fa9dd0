"""A job as an operation gives it to its function, with kills and cancellations as the test wants them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from libs.chassis.operations import Stopped


@dataclass
class MemoryJob:
    """Keeps what is saved; `stop` says at which call of `progress` the process is gone."""

    request: Any
    state: dict[str, Any] = field(default_factory=dict)
    told: list[tuple[int, int]] = field(default_factory=list)
    stop: Callable[[int], bool] = lambda _: False

    def progress(self, done: int, total: int, **state: Any) -> None:
        self.state = json.loads(json.dumps(state))
        self.told.append((done, total))
        if self.stop(len(self.told)):
            raise Stopped("killed")


def run_killed_everywhere(run: Callable[[MemoryJob], Any], request: Any) -> tuple[Any, int]:
    """The result of work that is killed at each of its checkpoints in turn, and how often it was killed."""
    state: dict[str, Any] = {}
    kills = 0
    while True:
        last = kills % 3 + 2
        job = MemoryJob(request, state, stop=last.__eq__)
        try:
            return run(job), kills
        except Stopped:
            state = job.state
            kills += 1
            assert kills < 1000
