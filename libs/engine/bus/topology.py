"""Declarations of a service on the broker, as data: built from its subscriptions, declared and verified from here.

    <service>.events                topic; what matches no binding goes on to `unrouted`
    <service>.<name>.shard          x-consistent-hash on the header `x-agg`, bound to the sources' exchanges by type
    <service>.<name>.<0..n>         quorum queue with a single active consumer: order per entity survives failover
    <service>.<name>.dead           quorum queue behind the exchange `dlx`: parked until a person decides
    <service>.<name>.retry.<delay>  quorum queue with a fixed delay, whose messages return through the shard exchange to
                                    their partition; of its own, because the broker keeps at most 32 of them on the way
                                    back, and those of a subscription that is gone would hold up all others
    unrouted                        quorum queue of what nobody listens to; its depth is an alarm

Changing the partitions of a subscription is a new set of queues: drain, then switch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import amqp

DEAD_LETTERS: Final = "dlx"
UNROUTED: Final = "unrouted"
HASH_HEADER: Final = "x-agg"
TIERS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600))
"""The delays of the retry queues of a subscription."""
DELIVERY_LIMIT: Final = 50
"""Deliveries after which the broker itself parks a message: a last resort, `inbox` isolates long before."""
UNLIMITED_DELIVERIES: Final = 2**31 - 1
"""The delivery limit of a queue without a way out, where RabbitMQ 4 would drop a message that was looked at 20 times.

A number and not -1: RabbitMQ 3 refuses -1, and a queue has to keep its arguments when its broker is upgraded.
"""
WORK_BYTES: Final = 128 * 1024**2
"""Bytes in a work queue, a hundred thousand events or so. When it is full it refuses the relay, whose events then wait
in their entities."""
ASIDE_BYTES: Final = 32 * 1024**2
"""Bytes in a queue of parked or delayed events. When it is full, their consumer holds its batch."""

_QUORUM: Final[Mapping[str, Any]] = {
    "x-queue-type": "quorum",
    "x-overflow": "reject-publish",
    "x-delivery-limit": UNLIMITED_DELIVERIES,
}
_ASIDE: Final[Mapping[str, Any]] = {**_QUORUM, "x-max-length-bytes": ASIDE_BYTES}
_AT_LEAST_ONCE: Final[Mapping[str, Any]] = {"x-dead-letter-strategy": "at-least-once"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def declare(self, channel: amqp.Channel, *, passive: bool = False) -> None:
        channel.exchange_declare(
            self.name, self.kind, passive=passive, durable=True, auto_delete=False, arguments=dict(self.arguments)
        )


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: Mapping[str, Any]

    def declare(self, channel: amqp.Channel, *, passive: bool = False) -> None:
        channel.queue_declare(
            self.name, passive=passive, durable=True, exclusive=False, auto_delete=False, arguments=dict(self.arguments)
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of `source` whose key matches go on to a queue, or to another exchange."""

    source: str
    destination: str
    key: str = ""
    to_exchange: bool = False

    def declare(self, channel: amqp.Channel) -> None:
        bind = channel.exchange_bind if self.to_exchange else channel.queue_bind
        bind(self.destination, self.source, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Needs of one subscription on the broker."""

    name: str
    keys: Mapping[str, Sequence[str]]
    """Publishing service → event types, or `#`."""
    partitions: int
    ordered: bool

    def queues(self, service: str) -> list[str]:
        """The names of its work queues."""
        return [f"{service}.{self.name}.{partition}" for partition in range(self.partitions)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everything one service declares. Declaring is idempotent and safe while everything runs."""

    exchanges: Sequence[Exchange]
    queues: Sequence[Queue]
    bindings: Sequence[Binding]

    def declare(self, connection: amqp.Connection) -> None:
        """Declares what is missing. Raises `amqp.PreconditionFailed` where something of another shape exists."""
        channel = connection.channel()
        for exchange in self.exchanges:
            exchange.declare(channel)
        for queue in self.queues:
            queue.declare(channel)
        for binding in self.bindings:
            binding.declare(channel)
        channel.close()

    def verify(self, connection: amqp.Connection) -> list[str]:
        """A line for each thing that is missing or has another shape. Nothing is created.

        Bindings cannot be asked for over AMQP; they vanish only together with one of their ends.
        """
        wrong = []
        parts: list[Exchange | Queue] = [*self.exchanges, *self.queues]
        for part in parts:
            channel = connection.channel()  # an answer that is an error closes the channel
            try:
                part.declare(channel, passive=True)
                part.declare(channel)  # exists, so this only compares the arguments
            except amqp.NotFound:
                wrong.append(f"{type(part).__name__.lower()} {part.name} is missing")
            except amqp.PreconditionFailed as difference:
                wrong.append(f"{type(part).__name__.lower()} {part.name}: {difference.reply_text}")
            else:
                channel.close()
        return wrong


def service_topology(service: str, routes: Sequence[Route], tiers: Sequence[timedelta] = TIERS) -> Topology:
    """The topology of a service that publishes and subscribes to `routes`."""
    exchanges = [
        Exchange(UNROUTED, "fanout"),
        Exchange(DEAD_LETTERS, "direct"),
        events_exchange(service),
    ]
    queues = [Queue(UNROUTED, _ASIDE)]
    bindings = [Binding(UNROUTED, UNROUTED)]
    for route in routes:
        shard, dead = shard_exchange(service, route.name), dead_queue(service, route.name)
        exchanges.append(Exchange(shard, "x-consistent-hash", {"hash-header": HASH_HEADER}))
        queues.append(Queue(dead, _ASIDE))
        bindings.append(Binding(DEAD_LETTERS, dead, dead_key(service, route.name)))
        for source, keys in route.keys.items():
            exchanges.append(events_exchange(source))  # so that services may start in any order
            bindings.extend(Binding(f"{source}.events", shard, key, to_exchange=True) for key in keys)
        for tier in tiers:
            back = {"x-message-ttl": tier // timedelta(milliseconds=1), "x-dead-letter-exchange": shard}
            queues.append(Queue(retry_queue(service, route.name, tier), {**_ASIDE, **_AT_LEAST_ONCE, **back}))
        for name in route.queues(service):
            queues.append(Queue(name, _work_arguments(service, route)))
            bindings.append(Binding(shard, name, "1"))  # the key is the queue's weight in the hash ring
    return Topology(exchanges=list({e.name: e for e in exchanges}.values()), queues=queues, bindings=bindings)


def events_exchange(service: str) -> Exchange:
    """The exchange that a service publishes its events to."""
    return Exchange(f"{service}.events", "topic", {"alternate-exchange": UNROUTED})


def shard_exchange(service: str, name: str) -> str:
    """The exchange that spreads a subscription's events over its partitions by entity."""
    return f"{service}.{name}.shard"


def dead_key(service: str, name: str) -> str:
    """The routing key under which the exchange `dlx` takes what a subscription parks."""
    return f"{service}.{name}"


def dead_queue(service: str, name: str) -> str:
    """The queue of the parked events of a subscription, which wait for a person."""
    return f"{service}.{name}.dead"


def retry_queue(service: str, name: str, tier: timedelta) -> str:
    """The queue where events of a subscription wait for another attempt: `interactions.counts.retry.30s`."""
    milliseconds = tier // timedelta(milliseconds=1)
    delay = f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"
    return f"{service}.{name}.retry.{delay}"


def aside_queues(service: str, name: str, tiers: Sequence[timedelta] = TIERS) -> list[str]:
    """The queues of events that a subscription could not handle: the parked ones, and those for another attempt."""
    return [dead_queue(service, name), *(retry_queue(service, name, tier) for tier in tiers)]


def _work_arguments(service: str, route: Route) -> dict[str, Any]:
    arguments = {
        **_QUORUM,
        **_AT_LEAST_ONCE,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_LETTERS,
        "x-dead-letter-routing-key": dead_key(service, route.name),
        "x-max-length-bytes": WORK_BYTES,
    }
    return {**arguments, "x-single-active-consumer": True} if route.ordered else arguments
