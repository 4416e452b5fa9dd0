"""For operators: what a subscription parked, and what to do with it. Both ways out leave an audit record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import amqp
from google.protobuf.message import DecodeError
from kehu.common.v1 import envelope_pb2

from libs.chassis import identity
from libs.engine.bus import Outgoing, Publisher, body_of, close, connect
from libs.engine.bus.topology import dead_queue, shard_exchange
from libs.engine.store import MongoDatabase

AUDIT: Final = "audit"
_LOOKED_AT: Final = 10_000
"""Parked messages that are looked through for the chosen ones."""

_TRACES: Final = frozenset(
    {
        "x-attempt",
        "x-first-at",
        "x-first-error",
        "x-last-error",
        "x-origin-queue",
        "x-delivery-count",
        "x-death",
        "x-first-death-exchange",
        "x-first-death-queue",
        "x-first-death-reason",
    }
)
"""Headers that tell of failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A message that waits for a decision."""

    id: str
    """The event's id, or what the publisher called the message."""
    reason: str
    """The last error, or why the broker parked it."""
    attempts: int
    since: str
    """Time of its first failure (ISO 8601), if it is known."""
    origin_queue: str
    """Queue that a replay sends it to. Empty when it is unknown."""
    headers: Mapping[str, Any]
    body: bytes

    @property
    def envelope(self) -> envelope_pb2.Envelope | None:
        """The envelope inside, if it is an event."""
        try:
            return envelope_pb2.Envelope.FromString(self.body)
        except DecodeError:
            return None


class DeadQueue:
    """The parked messages of one subscription. While one operator works here, others see only what is left."""

    def __init__(self, database: MongoDatabase, subscription: str, amqp_uri: Callable[[], str], *, actor: str) -> None:
        self._audit = database.raw[AUDIT]
        self._service = database.service
        self._subscription = subscription
        self._queue = dead_queue(database.service, subscription)
        self._amqp_uri = amqp_uri
        self._actor = actor

    def list(self, limit: int = 100) -> Sequence[Parked]:
        """The first parked messages, which stay there."""
        with self._channel() as channel:
            return [parked for parked, _ in self._messages(channel, limit)]

    def show(self, id: str) -> Parked | None:
        """One parked message, or None."""
        return next((parked for parked in self.list(_LOOKED_AT) if parked.id == id), None)

    def replay(self, ids: Collection[str] | None = None) -> int:
        """Sends messages back to their work queue, as if they had never failed: all of them without `ids`. Returns the
        number."""
        count = 0
        with self._channel() as channel, Publisher(self._amqp_uri(), name=f"{self._queue} (replay)") as publisher:
            for parked, tag in self._chosen(channel, ids):
                self._record("replay", parked)
                publisher.publish([self._again(parked)])
                channel.basic_ack(tag)
                count += 1
        return count

    def drop(self, ids: Collection[str], reason: str) -> int:
        """Removes messages for ever, and returns their number. ValueError without a reason."""
        if not reason.strip():
            raise ValueError("say why: nothing is dropped without a reason")
        count = 0
        with self._channel() as channel:
            for parked, tag in self._chosen(channel, ids):
                self._record("drop", parked, reason=reason)
                channel.basic_ack(tag)
                count += 1
        return count

    def _again(self, parked: Parked) -> Outgoing:
        """A message without the traces of its failures."""
        kept = {name: value for name, value in parked.headers.items() if name not in _TRACES}
        return Outgoing(
            exchange="" if parked.origin_queue else shard_exchange(self._service, self._subscription),
            key=parked.origin_queue,
            body=parked.body,
            id=parked.id,
            headers={**kept, "x-replay-of": parked.id},
        )

    def _record(self, action: str, parked: Parked, **more: str) -> None:
        # Before the act: a crash between them leaves a record of an act that is repeated, never an act without one.
        self._audit.insert_one(
            {
                "action": action,
                "subscription": f"{self._service}.{self._subscription}",
                "event": parked.id,
                "error": parked.reason,
                "actor": self._actor,
                "at": identity.now(),
                **more,
            }
        )

    def _chosen(self, channel: amqp.Channel, ids: Collection[str] | None) -> Iterator[tuple[Parked, int]]:
        for parked, tag in self._messages(channel, _LOOKED_AT):
            if ids is None or parked.id in ids:
                yield parked, tag

    def _messages(self, channel: amqp.Channel, limit: int) -> Iterator[tuple[Parked, int]]:
        """Messages with their delivery tags. Those that are not acknowledged return to the queue with the channel."""
        for _ in range(limit):
            message = channel.basic_get(self._queue)
            if message is None:
                return
            yield _parked(message), message.delivery_tag

    @contextmanager
    def _channel(self) -> Iterator[amqp.Channel]:
        connection = connect(self._amqp_uri(), name=f"{self._queue} (operator)")
        try:
            yield connection.channel()
        finally:
            close(connection)


def _parked(message: amqp.Message) -> Parked:
    headers = dict(message.properties.get("application_headers") or {})
    by_broker = headers.get("x-first-death-reason", "")
    return Parked(
        id=message.properties.get("message_id", ""),
        reason=headers.get("x-last-error") or (f"the broker: {by_broker}" if by_broker else "unknown"),
        attempts=headers.get("x-attempt", 0),
        since=headers.get("x-first-at", ""),
        origin_queue=headers.get("x-origin-queue") or headers.get("x-first-death-queue", ""),
        headers=headers,
        body=body_of(message),
    )
