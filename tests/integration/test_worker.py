"""The worker as a process, on nameko: it starts, works, survives its own death anywhere, and ends in good order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from libs.engine.bus import close, connect
from libs.engine.store.writes import PENDING
from libs.localstack.processes import answers
from tests.support.ledger_service.processes import Ledger
from tests.support.patience import eventually


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, mongodb_uri: str, amqp_uri: str) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"), mongodb_uri, amqp_uri)
    yield ledger
    ledger.remove()


@pytest.fixture
def ledger(shared: Ledger) -> Iterator[Ledger]:
    shared.prepare()
    yield shared
    shared.clear()


def test_migrate_is_repeatable_and_check_finds_what_is_missing(ledger: Ledger) -> None:
    assert ledger.run("migrate").returncode == 0
    found = ledger.run("check")
    assert (found.returncode, found.stderr) == (0, "")
    ledger.database.raw["accounts"].drop_index(PENDING.name)
    connection = connect(ledger.amqp_uri, name="test")
    connection.channel().queue_delete("ledger.tallies.1")
    close(connection)
    found = ledger.run("check")
    assert found.returncode == 1
    assert f"accounts.{PENDING.name}" in found.stdout
    assert "ledger.tallies.1 is missing" in " ".join(found.stdout.split())
    assert ledger.run("nonsense").returncode == 2


def test_migrate_waits_for_an_index_longer_than_a_call_may(ledger: Ledger) -> None:
    ledger.database.raw["accounts"].drop_index(PENDING.name)
    ledger.client.admin.command("fsync", lock=True)
    unlock = threading.Timer(9.5, ledger.client.admin.command, ("fsyncUnlock",))  # calls give up after 8
    unlock.start()
    migrated = ledger.run("migrate")
    unlock.join()
    assert migrated.returncode == 0, migrated.stderr
    assert f"created index accounts.{PENDING.name}" in migrated.stdout


def test_a_queue_of_another_shape_is_told_with_what_to_do(ledger: Ledger) -> None:
    connection = connect(ledger.amqp_uri, name="test")
    channel = connection.channel()
    channel.queue_delete("ledger.tallies.1")
    channel.queue_declare("ledger.tallies.1", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    refused = ledger.run("migrate")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'ledger.tallies.1'" in refused.stderr
    assert "delete it, and migrate again" in refused.stderr
    channel.queue_delete("ledger.tallies.1")
    close(connection)
    assert ledger.run("migrate").returncode == 0


def test_a_worker_waits_alive_and_not_ready_until_its_database_is_migrated(ledger: Ledger) -> None:
    ledger.database.raw["meta"].delete_many({})
    worker = ledger.worker()
    reason = "the database is at schema 0, this code needs 1: run `kehu ledger migrate`\n"
    eventually(lambda: worker.says("/readyz") == (503, reason))
    assert answers(f"{worker.admin}/livez")
    assert 'kehu_schema_version{kind="stored"} 0.0' in worker.metrics()
    assert ledger.run("migrate").returncode == 0
    worker.ready()
    assert 'kehu_schema_version{kind="stored"} 1.0' in worker.metrics()
    assert 'kehu_build_info{revision="unknown",version="dev"} 1.0' in worker.metrics()
    assert worker.terminate() == 0


def test_a_worker_that_waits_stops_when_it_is_told_to(ledger: Ledger) -> None:
    ledger.database.raw["meta"].delete_many({})
    worker = ledger.worker()
    eventually(lambda: answers(f"{worker.admin}/livez"))
    assert worker.terminate() == 0


def test_a_newer_schema_is_worked_with_until_it_says_that_this_code_is_too_old(ledger: Ledger) -> None:
    stored = ledger.database.raw["meta"]
    stored.update_one({"_id": "schema"}, {"$set": {"version": 2, "readable_from": 1}})
    worker = ledger.worker().ready()
    assert ledger.run("migrate").returncode == 0, "an older release may be installed again"
    assert stored.find_one({"_id": "schema"}, {"_id": 0, "at": 0}) == {"version": 2, "readable_from": 1}

    stored.update_one({"_id": "schema"}, {"$set": {"readable_from": 2}})
    assert worker.died() == 0, "it ends in good order, to wait in its next life"
    refused = ledger.run("migrate")
    assert (refused.returncode, "needs code of schema 2; this code has 1" in refused.stderr) == (2, True)
    waiting = ledger.worker()
    eventually(lambda: "needs code of schema 2" in waiting.says("/readyz")[1])
    assert answers(f"{waiting.admin}/livez")


def test_migrate_may_run_several_times_at_once(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.client.drop_database("ledger")
        with ThreadPoolExecutor(4) as several:
            ended = list(several.map(ledger.run, ["migrate"] * 4))
        assert [(each.returncode, each.stderr) for each in ended] == [(0, "")] * 4
        assert ledger.run("check").returncode == 0


def test_a_worker_publishes_reacts_keeps_the_journal_and_stops_in_good_order(ledger: Ledger) -> None:
    worker = ledger.worker().ready()
    ids = ledger.open(*(f"name {n}" for n in range(20)))
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))
    eventually(lambda: ledger.database.raw["journal"].count_documents({}) == 20)
    assert answers(f"{worker.admin}/livez")
    metrics = worker.metrics()
    assert 'kehu_inbox_events_total{outcome="applied",subscription="tallies"} 20.0' in metrics
    assert "kehu_outbox_published_total 20.0" in metrics
    assert worker.terminate() == 0


def test_stopping_finishes_a_slow_handler_and_nothing_is_delivered_again(ledger: Ledger) -> None:
    worker = ledger.worker().ready()
    [id] = ledger.open("slow")
    eventually(lambda: not ledger.database.raw["accounts"].count_documents({"_pending_since": {"$exists": True}}))
    time.sleep(0.5)
    assert worker.terminate() == 0
    assert ledger.counts() == {id: 1}
    second = ledger.worker().ready()
    time.sleep(1)
    assert 'kehu_inbox_duplicates_total{subscription="tallies"} 0.0' in second.metrics()


@pytest.mark.parametrize(
    "point", ["relay.after_publish", "inbox.before_commit", "inbox.after_commit", "inbox.after_park"]
)
def test_death_between_two_steps_loses_nothing_and_doubles_nothing(ledger: Ledger, point: str) -> None:
    ids = ledger.open(*(f"name {n}" for n in range(10)))
    [bad] = ledger.open("permanent")
    assert ledger.worker(KEHU_CRASH_AT=point).died() == 9
    ledger.database.raw["leases"].delete_many({})  # so that the test need not wait for its end
    ledger.worker()
    eventually(lambda: ledger.counts() == dict.fromkeys(ids, 1))
    eventually(lambda: [parked.id for parked in ledger.dead().list()][:1] == [f"{bad}:1:0"])
    eventually(lambda: ledger.database.raw["journal"].count_documents({}) == 11)
    eventually(lambda: not ledger.database.raw["accounts"].count_documents({"_pending_since": {"$exists": True}}))
    assert {parked.id for parked in ledger.dead().list()} == {f"{bad}:1:0"}
    assert ledger.counts() == dict.fromkeys(ids, 1)


def test_wrong_configuration_of_one_loop_takes_the_process_along(ledger: Ledger) -> None:
    broken = ledger.folder / "amqp"
    broken.write_text("http://not-a-broker")
    begun = time.monotonic()
    assert ledger.worker(KEHU_AMQP_URI=f"file:{broken}").died() == 3
    assert time.monotonic() - begun < 5
