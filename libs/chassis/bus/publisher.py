"""Publishing that is sure to have arrived: every message confirmed, pipelined in batches, unroutable ones noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import amqp
from amqp import spec

from libs.chassis.bus.connection import close, connect, tick

CONFIRM_TIMEOUT: Final = 10.0
"""Seconds after which a batch that is not confirmed counts as lost."""


class PublishFailed(OSError):
    """The broker refused, returned or did not confirm a message: nothing is known about the rest of the batch.

    An OSError, because the answer is the same as to a broken connection: drop it, clear nothing, publish again.
    """

    def __init__(self, what: str, message: str) -> None:
        super().__init__(message)
        self.what = what
        """`returned`, `nacked`, `blocked` or `timeout`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to publish; always persistent, always mandatory."""

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
        self._waiting: dict[int, Batch] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up; what is not confirmed is in doubt."""
        close(self._connection)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns when the broker has confirmed all of them; raises one of `BUS_ERRORS`."""
        self.wait(self.send(messages))

    def send(self, messages: Sequence[Outgoing]) -> Batch:
        """Writes the messages in one piece and returns without waiting: hand the batch to `wait`."""
        batch = Batch(size=len(messages), waiting=len(messages), sent_at=time.monotonic())
        transport = self._connection.transport
        transport.gather()
        for message in messages:
            self._tag += 1
            self._waiting[self._tag] = batch
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
        """Returns when the whole batch is confirmed; does something else several times a second until then."""
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
        """Keeps the heartbeat of an idle publisher; call it as often as you like."""
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + 1.0
            tick(self._connection)

    def _acked(self, tag: int, multiple: bool) -> None:
        if not multiple:
            self._waiting.pop(tag).waiting -= 1
            return
        while self._waiting and (oldest := next(iter(self._waiting))) <= tag:
            self._waiting.pop(oldest).waiting -= 1

    def _nacked(self, tag: int, _multiple: bool) -> None:
        raise PublishFailed("nacked", f"the broker refused message {tag}: a queue behind the exchange is full")

    def _returned(self, _error: Exception, exchange: str, key: str, _message: amqp.Message) -> None:
        raise PublishFailed("returned", f"no queue takes {key!r} from exchange {exchange!r}: run `migrate`")

    def _blocked(self, reason: str) -> None:
        raise PublishFailed("blocked", f"the broker takes no messages: {reason}")
