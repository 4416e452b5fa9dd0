"""Faults of every kind one after the other, in an order that only the seed knows: what `.ci/run` has time for.

`make chaos ARGS="-k everything --hours 1"` goes on for longer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from libs.engine.crash import OF_WORKERS
from tests.chaos import faults
from tests.chaos.trial import Trial

SHORT = 150.0
"""Seconds of faults. To start, to drain and to judge takes about as long again."""
WORKERS = ("profiles-worker", "interactions-worker")


def _kill(trial: Trial) -> None:
    faults.kill_own(trial.lab, trial.chance, seconds=5)


def _die(trial: Trial) -> None:
    faults.die_at(trial.lab, trial.chance, trial.tenant, trial.chance.choice(OF_WORKERS), trial.chance.choice(WORKERS))


def _repeat(trial: Trial) -> None:
    faults.repeat_past_events(trial.lab, trial.chance, trial.tenant)


def _full(trial: Trial) -> None:
    with faults.full_queue(trial.lab, trial.chance.choice(("interactions.counts.0", "profiles.journal.0"))):
        time.sleep(5)


FAULTS: dict[str, Callable[[Trial], object]] = {
    "kill": _kill,
    "die at a point": _die,
    "restart the broker": lambda trial: faults.restart_broker(trial.lab, kill=False),
    "kill the broker": lambda trial: faults.restart_broker(trial.lab, kill=True),
    "freeze the broker": lambda trial: faults.freeze_broker(trial.lab, seconds=trial.chance.uniform(2, 12)),
    "fill the disk of the broker": lambda trial: faults.fill_disk_of_broker(trial.lab, seconds=5),
    "fill a queue": _full,
    "step down": lambda trial: trial.lab.replica_set.step_down(),
    "kill the primary": lambda trial: faults.kill_primary(trial.lab),
    "kill a secondary": lambda trial: faults.kill_secondary(trial.lab),
    "freeze a process": lambda trial: faults.freeze_one(trial.lab, trial.chance, seconds=trial.chance.uniform(1, 8)),
    "two leaders": lambda trial: faults.two_leaders(trial.lab, seconds=4),
    "roll": lambda trial: faults.roll(trial.lab),
    "repeat the past": _repeat,
    "poison": lambda trial: faults.poison(trial.lab, trial.chance, trial.tenant),
}


def test_everything_happens_and_nothing_is_lost_or_doubled(trial: Trial, pytestconfig: pytest.Config) -> None:
    seconds = pytestconfig.getoption("hours") * 3600 or SHORT
    happened: Counter[str] = Counter()
    with trial.under_load():
        until, turn = time.monotonic() + seconds, list[str]()
        while time.monotonic() < until:
            turn = turn or trial.chance.sample(list(FAULTS), len(FAULTS))  # each once before any comes again
            name = turn.pop()
            FAULTS[name](trial)
            happened[name] += 1
            trial.lab.heal()
    trial.figures["faults"] = happened.total()
    assert len(happened) >= min(len(FAULTS), 5), happened
