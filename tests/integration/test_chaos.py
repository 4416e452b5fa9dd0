"""The fault plan in a minute: what `make chaos` does at length, on the store and the bus of this run.

They belong to all tests, so here only our own processes suffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import faults
from tests.chaos.lab import Lab, Victims
from tests.chaos.trial import Trial
from tests.support.skips import long_run

pytestmark = long_run


@pytest.fixture
def lab(stack_folder: Path, mongodb_uri: str, amqp_uri: str) -> Iterator[Lab]:
    system = Victims(stack_folder / "chaos", mongodb_uri=mongodb_uri, amqp_uri=amqp_uri)
    try:
        system.start()
        lab = Lab(stack_folder, replica_set=None, broker=None, system=system)
        lab.sweep()
        yield lab
        lab.sweep()
    finally:
        system.stop()


def test_nothing_is_lost_or_doubled_while_processes_die_and_events_come_again(lab: Lab) -> None:
    trial = Trial("F1", lab)
    with trial.under_load(callers=3):
        faults.kill_own(lab, trial.chance, seconds=6)
        faults.repeat_past_events(lab, trial.chance, trial.tenant)
        faults.poison(lab, trial.chance, trial.tenant)
        for point, worker in (("relay.after_publish", "profiles-worker"), ("inbox.before_ack", "interactions-worker")):
            faults.die_at(lab, trial.chance, trial.tenant, point, worker)
    trial.ledger.close()
