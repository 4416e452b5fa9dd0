"""Each fault of the plan, once. `make chaos ARGS="-k f6"` runs one."""

from __future__ import annotations

import time

from libs.chassis.crash import POINTS
from tests.chaos import faults
from tests.chaos.conftest import Trial


def test_f1_any_of_our_processes_is_killed(trial: Trial) -> None:
    with trial.under_load():
        trial.figures["kills"] = faults.kill_own(trial.lab, trial.chance, seconds=30)


def test_f2_a_worker_dies_at_every_point_once(trial: Trial) -> None:
    with trial.under_load():
        for number, point in enumerate(POINTS):
            worker = ("profiles-worker", "interactions-worker")[number % 2]
            trial.poisons.append(faults.die_at(trial.lab, trial.chance, trial.tenant, point, worker))
        trial.figures["points"] = len(POINTS)


def test_f3_the_broker_is_restarted_and_killed(trial: Trial) -> None:
    with trial.under_load():
        faults.restart_broker(trial.lab, kill=False)
        time.sleep(3)
        faults.restart_broker(trial.lab, kill=True)
        begun = time.monotonic()
        trial.lab.heal()
        trial.figures["consuming_after"] = round(time.monotonic() - begun, 1)
        assert trial.figures["consuming_after"] < 10


def test_f5_the_primary_steps_down(trial: Trial) -> None:
    with trial.under_load() as load:
        for _ in range(3):
            trial.lab.replica_set.step_down()
            time.sleep(5)
    assert load.failed == []


def test_f6_the_primary_is_killed(trial: Trial) -> None:
    with trial.under_load():
        faults.kill_primary(trial.lab)
        time.sleep(5)


def test_f15_the_past_comes_again_in_any_order(trial: Trial) -> None:
    with trial.under_load() as load:
        repeated = 0
        for _ in range(5):
            load.wait_for(len(trial.ledger.acks) + 40)
            repeated += faults.repeat_past_events(trial.lab, trial.chance, trial.tenant)
        trial.figures["repeated"] = repeated


def test_f16_poison_between_good_events(trial: Trial) -> None:
    with trial.under_load() as load:
        for _ in range(3):
            load.wait_for(len(trial.ledger.acks) + 40)
            trial.poisons.append(faults.poison(trial.lab, trial.chance, trial.tenant))
        trial.figures["poison"] = 3 * sum(map(len, trial.poisons[-1].values()))


def test_f20_every_process_is_replaced_in_good_order(trial: Trial) -> None:
    with trial.under_load() as load:
        ends = faults.roll(trial.lab)
    trial.figures["seconds_to_end"] = round(max(seconds for _, seconds in ends.values()), 1)
    assert {name: code for name, (code, _) in ends.items()} == dict.fromkeys(ends, 0)
    assert max(seconds for _, seconds in ends.values()) < 30
    assert load.failed == []
