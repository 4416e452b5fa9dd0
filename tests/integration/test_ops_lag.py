"""What `kehu ops lag` tells of a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu.connection import Connection

from libs.command.ops.broker import Management, read_over_amqp
from libs.command.ops.lag import Lag, Queue, Subscription
from libs.command.output import Misuse, Unreachable
from libs.engine.bus import Outgoing, Publisher, Route, close, connect, service_topology
from libs.localstack.processes import free_port
from tests.support.patience import eventually
from tests.support.stack import KEHU


@pytest.fixture
def service(amqp_uri: str) -> Iterator[str]:
    """The queues of a service that nobody else has. They go with the test."""
    name = "lag" + "".join(letter for letter in uuid.uuid4().hex if letter.isalpha())
    topology = service_topology(name, [Route(name="notes", keys={name: ["#"]}, partitions=2, ordered=True)])
    with _connection(amqp_uri) as connection:
        topology.declare(connection)
    yield name
    with _connection(amqp_uri) as connection:
        for queue in topology.queues:
            if queue.name.startswith(name):
                connection.channel(1).queue_delete(queue.name)


@contextmanager
def _connection(amqp_uri: str) -> Iterator[Any]:
    connection = connect(amqp_uri, name="test")
    try:
        yield connection
    finally:
        close(connection)


def one(found: Lag, service: str) -> Subscription:
    return next(each for each in found.subscriptions if each.service == service)


def publish(amqp_uri: str, service: str, count: int) -> None:
    with Publisher(amqp_uri, name="test") as publisher:
        publisher.publish(
            [
                Outgoing(exchange=f"{service}.events", key="kehu.note", body=b"", id=str(n), headers={"x-agg": str(n)})
                for n in range(count)
            ]
        )


def test_what_waits_its_age_and_who_consumes_it(amqp_uri: str, management_uri: str, service: str) -> None:
    management = Management(management_uri)
    publish(amqp_uri, service, 30)
    asked = time.monotonic()
    eventually(lambda: one(management.read(), service).total.ready == 30, 30)
    eventually(lambda: one(management.read(), service).total.oldest is not None, 30)

    total = one(management.read(), service).total
    assert (total.ready, total.consumers) == (30, 0)
    assert total.oldest is not None
    assert total.oldest <= time.monotonic() - asked + 15, "as old as the events, within the broker's samples of 5 s"
    assert any(finding.what == f"{service}.notes" for finding in management.read().findings(300))

    with Connection(amqp_uri) as connection:  # without heartbeats, for which this test has no time
        channel = connection.channel()
        channel.basic_qos(0, 100, False)
        taken: list[object] = []
        for partition in range(2):
            channel.basic_consume(f"{service}.notes.{partition}", callback=taken.append)
        while len(taken) < 30:
            connection.drain_events(timeout=30)

        def told() -> Queue:
            return one(management.read(), service).total

        eventually(lambda: told().unacked == 30, 60)
        assert (told().ready, told().consumers, told().oldest) == (0, 1, None)

        def flows() -> bool:
            publish(amqp_uri, service, 1)  # rates are of the last samples, so something must flow while one looks
            connection.drain_events(timeout=30)
            channel.basic_ack(0, multiple=True)
            total = told()
            return bool(total.rate_out and total.rate_in)

        eventually(flows, 60)


def test_amqp_alone_tells_how_much_waits(amqp_uri: str, service: str) -> None:
    publish(amqp_uri, service, 5)
    names = [f"{service}.notes.0", f"{service}.notes.1", f"{service}.notes.dead", f"{service}.unheard-of.0"]
    found = read_over_amqp(amqp_uri, names)
    assert len(found.subscriptions) == 1
    total = one(found, service).total
    assert (total.ready, total.consumers, total.unacked, total.oldest) == (5, 0, None, None)


def test_the_command_groups_and_exits_by_what_it_found(amqp_uri: str, management_uri: str, service: str) -> None:
    publish(amqp_uri, service, 3)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("KEHU_")}
        return subprocess.run(
            [KEHU, "ops", "lag", *arguments],
            env={**environ, "KEHU_MANAGEMENT_URI": management_uri, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=False,
        )

    eventually(lambda: f"nobody consumes {service}.notes, 3 events wait" in " ".join(run().stdout.split()), 60)
    told = run("--json")
    assert told.returncode == 1
    [mine] = [each for each in json.loads(told.stdout)["subscriptions"] if each["service"] == service]
    assert sorted(queue["name"] for queue in mine["queues"]) == [f"{service}.notes.0", f"{service}.notes.1"]
    assert sum(queue["ready"] for queue in mine["queues"]) == 3
    assert f"{service}.notes.1" in run("--queues").stdout

    dead = run("--management", f"http://guest:guest@127.0.0.1:{free_port()}")
    assert (dead.returncode, dead.stdout) == (75, "")
    assert "does not answer" in dead.stderr


def test_what_keeps_from_asking_is_told(management_uri: str, amqp_uri: str) -> None:
    address = management_uri.rpartition("@")[2]
    with pytest.raises(Misuse, match="refuses user 'guest'"):
        Management(f"http://guest:wrong@{address}").read()
    with pytest.raises(Misuse, match="is no address of a management API"):
        Management(amqp_uri)
    with pytest.raises(Misuse, match="cannot be read from file:/nowhere"):
        Management("file:/nowhere")
    with pytest.raises(Unreachable, match="does not answer"):
        read_over_amqp(f"amqp://guest:guest@127.0.0.1:{free_port()}/", [])
