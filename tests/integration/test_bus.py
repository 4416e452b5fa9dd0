"""The broker has what was declared, spreads by entity, and a publisher knows what became of its messages."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from libs.engine.bus import (
    BUS_ERRORS,
    Outgoing,
    Publisher,
    PublishFailed,
    Queue,
    Route,
    Topology,
    close,
    connect,
    service_topology,
)
from libs.engine.bus.topology import aside_queues, retry_queue
from tests.support.brokers import on_both_lines
from tests.support.patience import eventually

pytestmark = on_both_lines

TIERS = (timedelta(milliseconds=100),)


@pytest.fixture
def name(amqp_uri: str) -> Iterator[str]:
    """A service name that nobody else uses. What is declared for it goes after the test."""
    name = f"s{uuid4().hex[:8]}"
    yield name
    connection = connect(amqp_uri, name="test")
    channel = connection.channel()
    for part in ("0", "1", "2", "3", "dead", "retry.100ms"):
        channel.queue_delete(f"{name}.copies.{part}")
    for exchange in (f"{name}.copies.shard", f"{name}.events"):
        channel.exchange_delete(exchange)
    close(connection)


def topology(name: str, *, partitions: int = 2, ordered: bool = True) -> Topology:
    route = Route(name="copies", keys={name: [f"kehu.{name}.thing.made.v1"]}, partitions=partitions, ordered=ordered)
    return service_topology(name, [route], TIERS)


def declare(amqp_uri: str, declared: Topology) -> None:
    connection = connect(amqp_uri, name="test")
    declared.declare(connection)
    close(connection)


def verify(amqp_uri: str, declared: Topology) -> list[str]:
    connection = connect(amqp_uri, name="test")
    found = declared.verify(connection)
    close(connection)
    return found


def made(name: str, number: int, key: str = "made") -> Outgoing:
    return Outgoing(
        exchange=f"{name}.events",
        key=f"kehu.{name}.thing.{key}.v1",
        body=b"x" * 200,
        id=f"thing_{number}:1:0",
        headers={"x-agg": f"thing_{number}"},
    )


def test_what_was_declared_is_verified(amqp_uri: str, name: str) -> None:
    wanted = topology(name)
    declare(amqp_uri, wanted)
    declare(amqp_uri, wanted)
    assert verify(amqp_uri, wanted) == []


def test_what_is_missing_or_different_is_named(amqp_uri: str, name: str) -> None:
    declare(amqp_uri, topology(name, partitions=1, ordered=False))
    first, second = verify(amqp_uri, topology(name, partitions=2))
    assert first.startswith(f"queue {name}.copies.0: ")
    assert "x-single-active-consumer" in first
    assert second == f"queue {name}.copies.1 is missing"


def test_an_entity_stays_on_one_partition(amqp_uri: str, name: str) -> None:
    declare(amqp_uri, topology(name, partitions=4))
    with Publisher(amqp_uri, name="test") as publisher:
        for _ in range(3):
            publisher.publish([made(name, number) for number in range(200)])
    homes: dict[str, set[str]] = {}
    connection = connect(amqp_uri, name="test")
    channel = connection.channel()

    def note(message) -> None:
        homes.setdefault(message.headers["x-agg"], set()).add(message.delivery_info["consumer_tag"])
        seen.append(1)

    seen: list[int] = []
    for partition in range(4):
        queue = f"{name}.copies.{partition}"
        channel.basic_consume(queue, consumer_tag=queue, callback=note)
    while len(seen) < 600:
        connection.drain_events(timeout=5)
    close(connection)
    assert len(homes) == 200
    assert all(len(queues) == 1 for queues in homes.values())
    assert len(set.union(*homes.values())) == 4


def test_an_event_that_nobody_listens_to_is_kept_where_it_is_seen(amqp_uri: str, name: str) -> None:
    declare(amqp_uri, topology(name))
    connection = connect(amqp_uri, name="test")
    channel = connection.channel()
    channel.queue_purge("unrouted")
    with Publisher(amqp_uri, name="test") as publisher:
        publisher.publish([made(name, 1, key="forgotten")])
    eventually(lambda: channel.queue_declare("unrouted", passive=True).message_count == 1)
    channel.queue_purge("unrouted")
    close(connection)


def test_a_message_without_any_queue_is_noticed(amqp_uri: str) -> None:
    with Publisher(amqp_uri, name="test") as publisher, pytest.raises(PublishFailed) as failure:
        publisher.publish([Outgoing(exchange="", key="no such queue", body=b"", id="m")])
    assert failure.value.what == "returned"


def test_a_full_queue_refuses(amqp_uri: str, name: str) -> None:
    wanted = topology(name, partitions=1)
    full = [
        replace(queue, arguments={**queue.arguments, "x-max-length": 1})
        for queue in wanted.queues
        if ".0" in queue.name
    ]
    queues: list[Queue] = [queue for queue in wanted.queues if ".0" not in queue.name]
    declare(amqp_uri, replace(wanted, queues=[*queues, *full]))
    with Publisher(amqp_uri, name="test") as publisher:

        def fill() -> None:
            for number in range(10):
                publisher.publish([made(name, number)])

        with pytest.raises(PublishFailed) as failure:
            fill()
    assert failure.value.what == "nacked"


def test_a_subscription_that_is_gone_holds_up_the_retries_of_no_other(amqp_uri: str, name: str) -> None:
    """The broker keeps at most 32 messages of a retry queue on the way back. Forty wait for what is not there."""
    declare(amqp_uri, topology(name))
    gone = service_topology(name, [Route(name="gone", keys={}, partitions=1, ordered=False)], TIERS)
    declare(amqp_uri, gone)
    connection = connect(amqp_uri, name="test")
    channel = connection.channel()
    channel.queue_delete(f"{name}.gone.0")
    channel.exchange_delete(f"{name}.gone.shard")
    with Publisher(amqp_uri, name="test") as publisher:
        left = retry_queue(name, "gone", TIERS[0])
        publisher.publish([Outgoing(exchange="", key=left, body=b"x", id=f"left {n}") for n in range(40)])
        time.sleep(1)
        again = retry_queue(name, "copies", TIERS[0])
        headers = {"x-agg": "thing_1"}
        publisher.publish(
            [Outgoing(exchange="", key=again, body=b"x", id=f"again {n}", headers=headers) for n in range(40)]
        )
        work = [f"{name}.copies.{partition}" for partition in range(2)]
        eventually(lambda: sum(channel.queue_declare(q, passive=True).message_count for q in work) == 40, 10)
    for queue in aside_queues(name, "gone", TIERS):
        channel.queue_delete(queue)
    close(connection)


def test_two_batches_may_be_on_their_way(amqp_uri: str, name: str) -> None:
    declare(amqp_uri, topology(name))
    with Publisher(amqp_uri, name="test") as publisher:
        first = publisher.send([made(name, number) for number in range(300)])
        second = publisher.send([made(name, number) for number in range(300)])
        publisher.wait(second)
        publisher.wait(first)
    assert (first.waiting, second.waiting) == (0, 0)
    assert 0 < first.latency < 10


def test_a_wrong_address_fails_at_once(amqp_uri: str) -> None:
    with pytest.raises(ValueError, match="amqp://"):
        connect("http://localhost", name="test")
    with pytest.raises(BUS_ERRORS):
        connect("amqp://localhost:1/", name="test")
    with pytest.raises(BUS_ERRORS):
        connect(amqp_uri.replace("guest:guest", "guest:wrong"), name="test")


class TestFrozenBroker:
    """A peer that keeps the connection and says nothing any more."""

    @pytest.fixture
    def frozen(self, amqp_uri: str) -> Iterator[tuple[str, threading.Event]]:
        with proxy(amqp_uri) as (uri, freeze):
            yield uri, freeze

    def test_closing_takes_no_longer_than_promised(self, frozen) -> None:
        uri, freeze = frozen
        connection = connect(uri, name="test")
        freeze.set()
        begun = time.monotonic()
        close(connection)
        assert time.monotonic() - begun < 3

    def test_a_batch_that_is_not_confirmed_is_given_up(self, frozen, amqp_uri: str, name: str) -> None:
        declare(amqp_uri, topology(name))
        uri, freeze = frozen
        with Publisher(uri, name="test", timeout=1) as publisher:
            publisher.publish([made(name, 1)])
            freeze.set()
            begun = time.monotonic()
            with pytest.raises(PublishFailed) as failure:
                publisher.publish([made(name, 2)])
            assert time.monotonic() - begun < 3
        assert failure.value.what == "timeout"


@contextmanager
def proxy(amqp_uri: str) -> Iterator[tuple[str, threading.Event]]:
    """(address, freeze): a way to the broker on which, once frozen, nothing moves."""
    host, _, port = amqp_uri.rpartition("@")[2].strip("/").partition(":")
    freeze = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = [listener]

    def forward(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if freeze.is_set():
                    return
                target.sendall(data)
        except OSError:
            return

    def accept() -> None:
        try:
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, int(port)))
                sockets.extend((client, server))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()
        except OSError:
            return

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    yield amqp_uri.replace(f"{host}:{port}", f"127.0.0.1:{listener.getsockname()[1]}"), freeze
    for each in sockets:
        hang_up(each)
    accepting.join(5)


def hang_up(each: socket.socket) -> None:
    """Closes a socket and wakes the thread that waits on it."""
    with suppress(OSError):  # not connected, or gone
        each.shutdown(socket.SHUT_RDWR)
    each.close()
