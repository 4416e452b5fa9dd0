"""The local stack: what it starts can be killed, comes back with its data, and leaves nothing behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu.connection import Connection
from pymongo import MongoClient

from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import Process, StackError, free_port, running, wait_until
from libs.localstack.rabbit import Broker
from libs.localstack.stack import Stack, fingerprint

SLEEP = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(60)"]


@pytest.fixture(scope="module")
def any_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture
def broker(any_broker: Broker) -> Broker:
    any_broker.start()
    return any_broker


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[ReplicaSet]:
    replica_set = ReplicaSet(tmp_path, members=3, election_timeout_ms=1000)
    replica_set.start()
    yield replica_set
    replica_set.stop()


def test_broker_keeps_a_message_through_kill_and_restart(broker: Broker) -> None:
    with Connection(broker.uri, transport_options={"confirm_publish": True}) as connection:
        queue = connection.SimpleQueue("kept")
        queue.put("first")
        queue.close()
    uri = broker.uri

    broker.kill()
    assert not broker.alive
    broker.start()
    broker.restart()

    assert broker.uri == uri
    with Connection(broker.uri) as connection:
        queue = connection.SimpleQueue("kept")
        assert queue.get(timeout=10).payload == "first"
        queue.close()


def test_broker_listens_on_loopback_only_and_leaves_nothing_behind(broker: Broker) -> None:
    folder = broker.process.folder
    assert {process.name for process in running(folder)} == {"epmd", "rabbitmq"}
    with socket.socket() as probe:  # Port taken on loopback, free elsewhere: no wildcard listener.
        probe.bind(("127.0.0.2", broker.port))

    broker.stop()

    assert running(folder) == []


def test_replica_set_elects_another_primary_when_one_is_killed_or_steps_down(replica_set: ReplicaSet) -> None:
    with MongoClient[dict[str, int]](replica_set.uri, w="majority") as client:
        client.kehu.things.insert_one({"n": 1})
        first = replica_set.wait_for_primary()

        replica_set.kill(replica_set.nodes.index(first))
        second = replica_set.wait_for_primary()
        client.kehu.things.insert_one({"n": 2})
        replica_set.restart(replica_set.nodes.index(first))
        replica_set.step_down()
        wait_until(lambda: replica_set.primary() not in (None, second), 20, "no other primary")
        client.kehu.things.insert_one({"n": 3})

        assert first is not second
        assert client.kehu.things.count_documents({}) == 3


def test_data_survive_a_start_on_another_port(tmp_path: Path) -> None:
    earlier = ReplicaSet(tmp_path)
    earlier.start()
    with MongoClient[dict[str, int]](earlier.uri) as client:
        client.kehu.things.insert_one({"n": 1})
    earlier.stop()

    later = ReplicaSet(tmp_path)
    later.start()
    with MongoClient[dict[str, int]](later.uri) as client:
        assert client.kehu.things.count_documents({}) == 1
    later.stop()


def test_stack_reuses_what_runs_and_takes_another_port_when_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEHU_MONGODB_URI", raising=False)
    wanted = free_port()
    with socket.create_server(("127.0.0.1", wanted)):
        first = Stack({"mongod": wanted}, tmp_path)
        first.start_mongodb(print)
    second = Stack(folder=tmp_path)
    second.start_mongodb(print)

    assert str(wanted) not in first.mongodb_uri
    assert second.mongodb_uri == first.mongodb_uri
    assert {row.name: row.state for row in second.rows()}["mongod"] == "ready"
    assert second.down(print) == 1
    assert running(tmp_path) == []


def test_process_is_found_again_by_folder_and_name_and_ends_once(tmp_path: Path) -> None:
    process = Process(tmp_path, "sleeper")
    process.start(SLEEP)
    process.wait_until(lambda: "awake" in process.log.read_text(), 10)

    other = Process(tmp_path, "sleeper")
    assert other.pid == process.pid
    other.stop()

    assert not process.alive
    other.stop()


def test_recycled_pid_is_never_taken_for_ours(tmp_path: Path) -> None:
    process = Process(tmp_path, "sleeper")
    process.start(SLEEP)
    record = tmp_path / "sleeper.pid"
    genuine = record.read_text()

    record.write_text(genuine.rpartition("/")[0] + "/1")
    assert not process.alive

    record.write_text(genuine)
    process.stop()


def test_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    process = Process(tmp_path, "stubborn")
    process.start(["bash", "-c", "trap '' TERM; sleep 60 & echo $!; while :; do sleep 0.1; done"])
    process.wait_until(lambda: process.log.read_text().endswith("\n"), 10)
    child = int(process.log.read_text())

    process.stop(grace=0.2)

    assert not process.alive
    wait_until(lambda: not Path(f"/proc/{child}").exists(), 10, "the child still runs")


def test_frozen_process_ends_in_good_order(tmp_path: Path) -> None:
    process = Process(tmp_path, "frozen")
    script = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('bye')); print('ready'); signal.pause()"
    )
    process.start([sys.executable, "-uc", script])
    process.wait_until(lambda: "ready" in process.log.read_text(), 10)
    process.kill(signal.SIGSTOP)

    process.stop(grace=5)

    assert process.log.read_text().endswith("bye\n")


def test_process_that_ends_early_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    process = Process(tmp_path, "broken")
    process.start(["bash", "-c", "echo no such setting; exit 3"])

    with pytest.raises(StackError, match="broken ended while it started") as error:
        process.wait_until(lambda: False, 10)

    assert error.value.tail() == ["no such setting"]


def test_free_port_prefers_the_wanted_one() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.create_server(("127.0.0.1", wanted)):
        assert free_port(wanted) != wanted


def test_guard_ends_processes_of_a_killed_run(tmp_path: Path) -> None:
    folder = tmp_path / "guarded"
    script = (
        "import pathlib, sys, time; from libs.localstack.processes import Process, guard\n"
        "folder = pathlib.Path(sys.argv[1]); process = Process(folder, 'sleeper')\n"
        "process.start([sys.executable, '-c', 'import time; time.sleep(60)']); guard(folder)\n"
        "print('started', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"started\n"
        time.sleep(0.5)
        assert Process(folder, "sleeper").alive
        run.send_signal(signal.SIGKILL)

    wait_until(lambda: not folder.exists(), 20, "the guard did not end the process")


def test_process_remembers_what_it_was_made_of_as_long_as_it_runs(tmp_path: Path) -> None:
    process = Process(tmp_path, "sleeper")
    assert process.made_of == ""
    process.start(SLEEP, made_of="one")
    process.start(SLEEP, made_of="two")

    assert Process(tmp_path, "sleeper").made_of == "one"
    process.stop()
    assert process.made_of == ""


def test_fingerprint_follows_the_code_of_the_service_and_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("libs/engine/run.py", "services/ours/rules.py", "services/theirs/rules.py", "build/gen/ours_pb2.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    (tmp_path / "requirements.txt").write_text("grpcio==1\n")

    def now(listen: str = "127.0.0.1:1") -> str:
        return fingerprint("ours", {"KEHU_LISTEN": listen}, tmp_path)

    first = now()
    (tmp_path / "services/theirs/rules.py").write_text("2\n")
    (tmp_path / "services/ours/rules.pyc").write_text("compiled\n")
    monkeypatch.setenv("KEHU_TOKEN", "of a client")
    assert now() == first
    assert now("127.0.0.1:2") != first
    for name in ("libs/engine/run.py", "services/ours/rules.py", "build/gen/ours_pb2.py", "requirements.txt"):
        before = now()
        (tmp_path / name).write_text("3\n")
        assert now() != before, name


def test_stack_starts_anew_what_has_changed_and_nothing_else(
    tmp_path: Path, mongodb_uri: str, amqp_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEHU_MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("KEHU_AMQP_URI", amqp_uri)
    monkeypatch.setattr("libs.localstack.stack.SERVICES", ["profiles"])

    def pids() -> dict[str, int | None]:
        return {row.name: row.pid for row in Stack(folder=tmp_path).rows() if row.pid}

    try:
        assert Stack(folder=tmp_path).up(print) == []
        first = pids()
        assert Stack(folder=tmp_path).up(print) == []
        assert pids() == first

        monkeypatch.setenv("KEHU_LOG_LEVEL", "warning")
        assert Stack(folder=tmp_path).up(print) == ["profiles-api", "profiles-worker"]
        second = pids()
        assert first.keys() == second.keys() == {"profiles-api", "profiles-worker"}
        assert not set(first.values()) & set(second.values())
    finally:
        Stack(folder=tmp_path).down(print)
