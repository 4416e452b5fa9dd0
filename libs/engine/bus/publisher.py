"""Publishing that is sure to have arrived: every message confirmed, pipelined in batches, unroutable ones noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import amqp
from amqp import spec

from libs.engine.bus.connection import close, connect, tick

CONFIRM_TIMEOUT: Final = 10.0
"""Seconds after which a batch that is not confirmed counts as lost."""


class PublishFailed(OSError):
    """The broker did not take or did not confirm a message.

    An OSError, because the answer is the same as to a broken connection: drop it, clear nothing, publish again.
    """

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what
        """`returned`, `nacked`, `blocked` or `timeout`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to publish, always persistent and mandatory."""

    exchange: str
    """`""` is the default exchange, which takes the name of a queue as the key."""
    key: str
    body: bytes
    id: str
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """Messages under way, waiting for their confirms."""

    size: int
    waiting: int
    sent_at: float
    refused: dict[str, str] = field(default_factory=dict)
    """Id of a message that a queue did not take → `nacked` (a queue is full) or `returned` (there is none)."""
    confirmed_at: float = 0.0

    @property
    def latency(self) -> float:
        """Seconds from sending to the last confirm."""
        return self.confirmed_at - self.sent_at


class Publisher:
    """A connection of its own with confirms.

    Not safe for threads. After any error it is finished: close it and make another one. Consumers never publish on the
    connection they consume from, because a broker short of memory stops reading it and would not see their acks.
    """

    def __init__(self, uri: str, *, name: str, timeout: float = CONFIRM_TIMEOUT) -> None:
        self._timeout = timeout
        self._connection = connect(uri, name=name, on_blocked=self._blocked)
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._acked)
        self._channel.events["basic_nack"].add(self._nacked)
        self._channel.events["basic_return"].add(self._returned)
        self._tag = 0
        self._next_tick = 0.0
        self._waiting: dict[int, tuple[Batch, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up. Messages that are not confirmed are in doubt."""
        close(self._connection)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns when the broker has confirmed all of them. Raises one of `BUS_ERRORS`."""
        batch = self.send(messages)
        self.wait(batch)
        for id, what in batch.refused.items():
            raise PublishFailed(what, f"no queue took {id}: {'there is none' if what == 'returned' else 'one is full'}")

    def send(self, messages: Sequence[Outgoing]) -> Batch:
        """Writes the messages in one piece and returns without waiting: hand the batch to `wait`."""
        batch = Batch(size=len(messages), waiting=len(messages), sent_at=time.monotonic())
        transport = self._connection.transport
        transport.gather()
        for message in messages:
            self._tag += 1
            self._waiting[self._tag] = batch, message.id
            content = amqp.Message(
                message.body,
                delivery_mode=2,
                message_id=message.id,
                application_headers=dict(message.headers),
                content_type="application/x-protobuf",
            )
            # `basic_publish` would poll the socket before every message; `wait` reads what it would find.
            self._channel.send_method(
                spec.Basic.Publish, "Bssbb", (0, message.exchange, message.key, True, False), content
            )
        transport.flush()
        return batch

    def wait(self, batch: Batch, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Returns when each message of the batch is confirmed or refused. Does something else meanwhile."""
        deadline = batch.sent_at + self._timeout
        while batch.waiting:
            meanwhile()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise PublishFailed("timeout", f"{batch.waiting} of {batch.size} not confirmed in {self._timeout} s")
            try:
                self._connection.drain_events(timeout=min(remaining, 0.25))
            except TimeoutError:
                self._connection.heartbeat_tick()
        batch.confirmed_at = time.monotonic()

    def tick(self) -> None:
        """Keeps the heartbeat of an idle publisher, and may be called as often as you like."""
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + 1.0
            tick(self._connection)

    def _acked(self, tag: int, multiple: bool) -> None:
        for batch, _ in self._settled(tag, multiple):
            batch.waiting -= 1

    def _nacked(self, tag: int, multiple: bool) -> None:
        for batch, id in self._settled(tag, multiple):
            batch.waiting -= 1
            batch.refused[id] = "nacked"

    def _returned(self, _error: Exception, _exchange: str, _key: str, message: amqp.Message) -> None:
        # The confirm of this message comes after it.
        returned = message.properties.get("message_id", "")
        for batch, id in self._waiting.values():
            if id == returned:
                batch.refused[id] = "returned"

    def _settled(self, tag: int, multiple: bool) -> Iterator[tuple[Batch, str]]:
        """Forgets messages that the broker has answered for, and yields them."""
        if not multiple:
            yield self._waiting.pop(tag)
            return
        while self._waiting and (oldest := next(iter(self._waiting))) <= tag:
            yield self._waiting.pop(oldest)

    def _blocked(self, reason: str) -> None:
        raise PublishFailed("blocked", f"the broker takes no messages: {reason}")
