"""Each fault of the plan. `make chaos ARGS="-k f6"` runs one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from libs.engine.crash import OF_WORKERS
from tests.chaos import checks, faults
from tests.chaos.damage import DAMAGE
from tests.chaos.network import Weather
from tests.chaos.trial import Trial
from tests.chaos.weak import write_while_the_primary_dies
from tests.support.ledger_service.processes import Ledger
from tests.support.patience import eventually


def test_f0_the_judge_sees_every_kind_of_damage(trial: Trial) -> None:
    with trial.under_load() as load:
        load.wait_for(60)
    seen = {}
    for name, (invariants, damage) in DAMAGE.items():
        with damage(trial.lab, trial.tenant):
            found = checks.check(trial.lab, trial.tenant, trial.ledger, {})
        seen[name] = sorted(invariant for invariant, each in found.items() if each)
        trial.require(invariants <= set(seen[name]), f"{name}: wanted {sorted(invariants)}, saw {seen[name]}")
    trial.judge({}, damage=len(seen))


def test_f1_any_of_our_processes_is_killed(trial: Trial) -> None:
    with trial.under_load():
        trial.figures["kills"] = faults.kill_own(trial.lab, trial.chance, seconds=30)


def test_f2_a_worker_dies_at_every_point_once(trial: Trial) -> None:
    with trial.under_load():
        for number, point in enumerate(OF_WORKERS):
            worker = ("profiles-worker", "interactions-worker")[number % 2]
            faults.die_at(trial.lab, trial.chance, trial.tenant, point, worker)
        trial.figures["points"] = len(OF_WORKERS)


def test_f3_the_broker_is_restarted_and_killed(trial: Trial) -> None:
    with trial.under_load():
        faults.restart_broker(trial.lab, kill=False)
        time.sleep(3)
        faults.restart_broker(trial.lab, kill=True)
        begun = time.monotonic()
        trial.lab.heal()
        trial.figures["consuming_after"] = round(time.monotonic() - begun, 1)
        trial.require(trial.figures["consuming_after"] < 10, "consuming 10 s after the broker is back")


def test_f4_the_broker_freezes(trial: Trial) -> None:
    with trial.under_load():
        faults.freeze_broker(trial.lab, seconds=20)
        begun = time.monotonic()
        trial.lab.heal()
        trial.figures["consuming_after"] = round(time.monotonic() - begun, 1)
        trial.require(trial.figures["consuming_after"] < 10, "consuming 10 s after the broker answers again")


def test_f5_the_primary_steps_down(trial: Trial) -> None:
    with trial.under_load(no_call_fails=True):
        for _ in range(3):
            trial.lab.replica_set.step_down()
            time.sleep(5)


def test_f6_the_primary_is_killed(trial: Trial) -> None:
    with trial.under_load():
        faults.kill_primary(trial.lab)
        time.sleep(5)


@pytest.mark.parametrize(("there", "back"), [(False, False), (True, False), (False, True)])
def test_f7_the_network_to_the_broker_swallows_everything(trial: Trial, there: bool, back: bool) -> None:
    trial.name += f" {'to' if there else 'not to'}, {'from' if back else 'not from'}"
    with trial.behind_a_wire("profiles-worker") as wire, trial.under_load():
        wire.weather = Weather(there=there, back=back)
        begun = time.monotonic()
        eventually(lambda: not trial.lab.system.ready("profiles-worker"), 30)
        trial.figures["noticed_after"] = round(time.monotonic() - begun, 1)
        wire.weather = Weather()


def test_f8_the_network_to_the_broker_is_slow_and_breaks(trial: Trial) -> None:
    with trial.behind_a_wire("interactions-worker") as wire, trial.under_load():
        wire.weather = Weather(delay=0.2)
        time.sleep(4)
        wire.weather = Weather(piece=1)
        time.sleep(4)
        for _ in range(5):
            wire.cut()
            time.sleep(trial.chance.uniform(0.2, 1))
        wire.weather = Weather()


def test_f9_the_disk_of_the_broker_is_full(trial: Trial) -> None:
    with trial.under_load() as load:
        before = len(trial.ledger.acks)
        faults.fill_disk_of_broker(trial.lab, seconds=12)
        trial.figures["acked_meanwhile"] = len(trial.ledger.acks) - before
        trial.require(trial.figures["acked_meanwhile"] > 20, "calls are answered while events wait")
        load.wait_for(len(trial.ledger.acks) + 20)


def test_f15_the_past_comes_again_in_any_order(trial: Trial) -> None:
    with trial.under_load() as load:
        repeated = 0
        for _ in range(5):
            load.wait_for(len(trial.ledger.acks) + 40)
            repeated += faults.repeat_past_events(trial.lab, trial.chance, trial.tenant)
        trial.figures["repeated"] = repeated


def test_f16_poison_between_good_events(trial: Trial) -> None:
    with trial.under_load() as load:
        injected = 0
        for _ in range(3):
            load.wait_for(len(trial.ledger.acks) + 40)
            injected += faults.poison(trial.lab, trial.chance, trial.tenant)
        trial.figures["poison"] = injected


def test_f16deadly_an_event_that_kills_its_process_is_isolated(trial: Trial, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, trial.lab.mongodb_uri, trial.lab.amqp_uri)
    ledger.prepare()
    try:
        [bad] = ledger.open("deadly")
        ids = ledger.open(*(f"name {n}" for n in range(200)))
        begun, deaths = time.monotonic(), 0
        while len(ledger.counts()) < len(ids):
            worker = ledger.worker()
            eventually(lambda: not worker.alive or len(ledger.counts()) == len(ids), 60)  # noqa: B023
            deaths += not worker.alive
        isolated = time.monotonic() - begun
        eventually(lambda: ledger.dead().list())
        trial.require(isolated < 60, f"isolated after {isolated:.0f} s")
        parked, counts = {each.id for each in ledger.dead().list()}, set(ledger.counts().values())
        trial.judge(
            {
                "I4": [] if counts == {1} else [f"counted {counts}"],
                "I7": [] if parked == {f"{bad}:1:0"} else sorted(parked),
            },
            deaths=deaths,
            isolated_after=round(isolated, 1),
        )
    finally:
        ledger.remove()


def test_f20_every_process_is_replaced_in_good_order(trial: Trial) -> None:
    with trial.under_load(no_call_fails=True):
        ends = faults.roll(trial.lab)
        slowest = max(seconds for _, seconds in ends.values())
        trial.figures["seconds_to_end"] = round(slowest, 1)
        trial.require(all(code == 0 for code, _ in ends.values()), f"exit codes {ends}")
        trial.require(slowest < 30, f"{slowest:.0f} s to end")


def test_f21_a_container_dies_inside_a_living_process(trial: Trial, tmp_path: Path) -> None:
    broken = tmp_path / "amqp"
    broken.write_text("http://not-a-broker")
    trial.lab.system.stop_one("profiles-worker")
    begun = time.monotonic()
    trial.lab.system.launch("profiles-worker", {"KEHU_AMQP_URI": f"file:{broken}"})
    code = trial.lab.system.exit_code(trial.lab.system.pid("profiles-worker"), 20)
    seconds = time.monotonic() - begun
    trial.figures["gone_after"] = round(seconds, 1)
    trial.require(code == 3, f"exit code {code}")
    trial.require(seconds < 5, f"gone after {seconds:.1f} s")
    trial.lab.heal()
    with trial.under_load() as load:
        load.wait_for(40)


def test_f22_two_workers_lead_at_once(trial: Trial) -> None:
    with trial.under_load():
        trial.figures["taken"] = faults.two_leaders(trial.lab, seconds=15)
        trial.require(trial.figures["taken"] > 5, "nobody led")


def test_f27_one_queue_is_full_beside_others(trial: Trial) -> None:
    """An event that one subscription cannot take holds up no other."""
    with trial.under_load(), faults.full_queue(trial.lab, "interactions.counts.0"):
        time.sleep(4)
        marked, begun = len(trial.ledger.acked("ingest")), time.monotonic()
        wanted = {ack.entity for ack in trial.ledger.acked("ingest")[:marked]}
        eventually(lambda: wanted <= checks.heard_of(trial.lab, trial.tenant, "interactions", "journal"), 30)
        trial.figures["others_waited"] = round(time.monotonic() - begun, 1)
        trial.require(trial.figures["others_waited"] < 10, "others wait less than 10 s")


@pytest.mark.parametrize("acknowledged_by", ["majority", 1])
def test_f26_weak_settings_lose_and_the_judge_sees_it(trial: Trial, acknowledged_by: str | int) -> None:
    revisions = write_while_the_primary_dies(trial.lab, trial.ledger, acknowledged_by)
    lost = checks.lost(trial.ledger.acked("create"), revisions)
    trial.name += f" w:{acknowledged_by}"
    weak = acknowledged_by == 1
    trial.require(bool(lost) == weak, f"lost {len(lost)} of {len(trial.ledger.acks)}")
    trial.judge({}, acked=len(trial.ledger.acks), lost=len(lost))
