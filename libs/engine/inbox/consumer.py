"""The batch consumer: takes what is there, applies it in one transaction, acknowledges it in one stroke.

The order of steps is the promise: effects commit, then what failed is safe in another queue, then everything is
acknowledged. A crash between any two of them repeats events, which the inbox recognises; none can skip one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import amqp
from amqp.exceptions import RecoverableConnectionError

from libs.chassis import identity
from libs.chassis.inbox import Permanent, Received, Subscription
from libs.engine import logs, metrics
from libs.engine.bus import BUS_ERRORS, Outgoing, Publisher, body_of, close, connect, service_topology, tick
from libs.engine.bus.topology import DEAD_LETTERS, dead_key, retry_queue
from libs.engine.crash import crash_point
from libs.engine.inbox.decoding import decode, route_of
from libs.engine.inbox.effects import Effects, Failure
from libs.engine.inbox.fates import STANDARD, Schedule, Trouble, fate_of
from libs.engine.inbox.limit import UNREADABLE, ParkingLimit
from libs.engine.loop import Loop
from libs.engine.store import MongoDatabase

BATCH: Final = 250
"""Most events in one transaction."""
SUSPECT_AFTER: Final = 3
"""Deliveries after which an event is handled alone, because it may be what kills the process."""
HELD_TOO_LONG: Final = 30.0
"""Seconds that a batch may be held before the process says that it is not ready."""
OUTCOMES: Final = ("applied", "retried", "parked")
"""The end of an event that was taken from a queue."""
_LINGER: Final = 0.002
"""Seconds without a further message after which the batch is what it is. Under load the next batch gathers by itself
while this one commits, so waiting would only add delay."""

log = logs.get(__name__)

Spawn = Callable[[Callable[[], None]], object]
"""Runs a function beside the loop: on a thread, or on a worker of nameko."""


def thread(work: Callable[[], None]) -> None:
    """Spawns plainly, without nameko."""
    threading.Thread(target=work, name="inbox", daemon=True).start()


class _Stopped(Exception):
    """The loop was told to stop while it held a batch. The broker delivers it to the next consumer."""


class _Tried:
    """Outcome of a batch."""

    def __init__(self) -> None:
        self.events: list[Received] = []
        """Those that could be decoded."""
        self.unapplied: list[Received] = []
        self.failed: list[tuple[amqp.Message, Exception]] = []
        self._parked: list[str] = []

    def add_failure(self, message: amqp.Message, error: Exception, event: Received | None = None) -> None:
        """Notes a message that failed, with its event when it could be decoded."""
        self.failed.append((message, error))
        self.unapplied += [event] if event is not None else []
        if fate_of(error) == "park":
            self._parked.append(event.tenant if event is not None else UNREADABLE)

    @property
    def tenants(self) -> tuple[list[str], list[str]]:
        """Tenants of the events that were applied, and of those that are to be parked."""
        failed = {event.id for event in self.unapplied}
        return [event.tenant for event in self.events if event.id not in failed], self._parked


class Consumer(Loop):
    """Consumes every partition of one subscription on a connection of its own."""

    interruptions: ClassVar = (*BUS_ERRORS, _Stopped)

    def __init__(
        self,
        database: MongoDatabase,
        subscription: Subscription,
        amqp_uri: Callable[[], str],
        *,
        spawn: Spawn = thread,
        schedule: Schedule = STANDARD,
        batch: int = BATCH,
    ) -> None:
        super().__init__(f"{database.service}.{subscription.name}")
        self._service = database.service
        self._subscription = subscription
        self._route = route_of(subscription)
        self._topology = service_topology(self._service, [self._route], schedule.tiers)
        self._effects = Effects(database, subscription)
        self._amqp_uri = amqp_uri
        self._spawn = spawn
        self._schedule = schedule
        self._size = batch
        self._limit = ParkingLimit()
        self._buffer: deque[amqp.Message] = deque()
        begin_counting(subscription.name)

    def _serve(self) -> None:
        self._buffer.clear()
        connection = connect(self._amqp_uri(), name=self.name)
        try:
            self._topology.declare(connection)
            channel = connection.channel()
            channel.auto_decode = False  # bodies are bytes whatever a message claims
            channel.basic_qos(0, self._size, False)
            for queue in self._route.queues(self._service):
                channel.basic_consume(
                    queue, consumer_tag=queue, callback=self._buffer.append, on_cancel=self._cancelled
                )
            self.ready()
            while not self.stopping.is_set():
                self._gather(connection)
                if self._buffer:
                    self._handle(connection, channel, self._take())
        finally:
            # Never cancel first: a quorum queue returns what a cancelled consumer held in any order, and what a lost
            # one held in the order of the queue.
            close(connection)

    @staticmethod
    def _cancelled(queue: str) -> None:
        # Silence would follow: the broker tells once that a queue is gone, and never that it is back.
        raise RecoverableConnectionError(f"the broker cancelled the consumer of {queue}")

    def _gather(self, connection: amqp.Connection) -> None:
        """Waits up to a second for a first message, then takes what follows at once."""
        self.beat()
        connection.heartbeat_tick()
        try:
            while len(self._buffer) < self._size:
                connection.drain_events(timeout=_LINGER if self._buffer else 1.0)
        except TimeoutError:
            return

    def _take(self) -> list[amqp.Message]:
        """The next batch: up to the first suspect, or a suspect alone."""
        batch = [self._buffer.popleft()]
        if not _is_suspect(batch[0]):
            while self._buffer and len(batch) < self._size and not _is_suspect(self._buffer[0]):
                batch.append(self._buffer.popleft())
        return batch

    def _handle(self, connection: amqp.Connection, channel: amqp.Channel, batch: Sequence[amqp.Message]) -> None:
        crash_point("inbox.after_receive")
        attempt = 0
        while self._limit.forbids(*(tried := self._try(connection, batch)).tenants):
            attempt += 1
            self.not_ready("parks nothing more: too many events in a row, of everybody, could not be handled")
            log.error("parks nothing more", loop=self.name, events=len(batch), error=repr(tried.failed[0][1]))
            self.pause(attempt)
            tick(connection)
            if self.stopping.is_set():
                raise _Stopped
        self._count(tried)
        if tried.failed:
            crash_point("inbox.before_park")
            self._set_aside(tried.failed)
            crash_point("inbox.after_park")
        crash_point("inbox.before_ack")
        channel.basic_ack(batch[-1].delivery_tag, multiple=True)
        crash_point("inbox.after_ack")

    def _try(self, connection: amqp.Connection, batch: Sequence[amqp.Message]) -> _Tried:
        """Decodes and applies a batch."""
        tried = _Tried()
        messages: list[amqp.Message] = []
        for message in batch:
            try:
                tried.events.append(decode(self._subscription, body_of(message)))
                messages.append(message)
            except Permanent as error:
                tried.add_failure(message, error)
            except Exception as error:  # noqa: BLE001  (whatever strange bytes may provoke, the next ones pass)
                tried.add_failure(message, Permanent(f"cannot be decoded: {error!r}"))
        if tried.events:
            for failure in self._apply(connection, tried.events, suspect=_is_suspect(batch[0])):
                tried.add_failure(messages[failure.index], failure.error, tried.events[failure.index])
        return tried

    def _apply(self, connection: amqp.Connection, events: Sequence[Received], *, suspect: bool) -> list[Failure]:
        """Applies the events beside this loop, again and again while the database cannot."""

        def work() -> list[Failure]:
            if not suspect:
                return self._effects.apply(events)
            with self._effects.dare(events[0]) as dares:
                if dares:
                    return self._effects.apply(events)
                return [Failure(0, Permanent("the process died every time it handled this event"))]

        begun = time.monotonic()
        attempt = 0
        while isinstance(outcome := self._beside(connection, work), Exception):
            attempt += 1
            if time.monotonic() - begun > HELD_TOO_LONG:
                self.not_ready(f"holds {len(events)} events: {outcome}")
            if fate_of(outcome) != "hold":
                raise outcome
            log.warning("batch held", loop=self.name, events=len(events), error=f"{type(outcome).__name__}: {outcome}")
            self.pause(attempt)
            if self.stopping.is_set():
                raise _Stopped
        self.ready()
        metrics.INBOX_BATCH_SECONDS.labels(self._subscription.name).observe(time.monotonic() - begun)
        return outcome

    def _beside(self, connection: amqp.Connection, work: Callable[[], list[Failure]]) -> list[Failure] | Exception:
        """Returns or raises as `work` does, and keeps the heartbeat of the connection meanwhile."""
        outcome: list[list[Failure] | Exception] = []
        finished = threading.Event()

        def run() -> None:
            try:
                outcome.append(work())
            except Exception as error:  # noqa: BLE001  (handed over to the loop, which decides)
                outcome.append(error)
            finally:
                finished.set()

        self._spawn(run)
        lost: Exception | None = None
        while not finished.wait(1.0):
            self.beat()
            try:
                if lost is None:
                    tick(connection)
            except BUS_ERRORS as error:
                lost = error  # a new connection must not deliver these events while they are still being applied
        if lost is not None:
            raise lost
        return outcome[0]

    def _set_aside(self, failed: Sequence[tuple[amqp.Message, Exception]]) -> None:
        """Puts events that failed where they wait for another attempt or for a person."""
        now = identity.now()
        with Publisher(self._amqp_uri(), name=f"{self.name} (set aside)") as publisher:
            publisher.publish([self._aside(message, error, now) for message, error in failed])

    def _aside(self, message: amqp.Message, error: Exception, now: datetime) -> Outgoing:
        queue = message.delivery_info["consumer_tag"]
        headers = _headers(message)
        trouble = Trouble.of(headers, error, queue, now)
        delay: timedelta | None = None
        if fate_of(error) == "retry":
            delay = self._schedule.delay(trouble, now)
        outcome = "parked" if delay is None else "retried"
        (metrics.INBOX_PARKED if delay is None else metrics.INBOX_RETRIED).labels(self._subscription.name).inc()
        metrics.INBOX_EVENTS.labels(self._subscription.name, outcome).inc()
        id = message.properties.get("message_id", "")
        log.warning(
            "event set aside",
            outcome=outcome,
            loop=self.name,
            event_id=id,
            attempt=trouble.attempts,
            error=trouble.last_error,
        )
        return Outgoing(
            exchange=DEAD_LETTERS if delay is None else "",
            key=dead_key(self._service, self._subscription.name)
            if delay is None
            else retry_queue(self._service, self._subscription.name, delay),
            body=body_of(message),
            id=id,
            headers={**headers, **trouble.headers()},
        )

    def _count(self, tried: _Tried) -> None:
        name = self._subscription.name
        metrics.INBOX_EVENTS.labels(name, "applied").inc(len(tried.events) - len(tried.unapplied))
        lag = metrics.INBOX_LAG_SECONDS.labels(name)
        now = identity.now()
        for event in tried.events:
            lag.observe(max(0.0, (now - event.time).total_seconds()))


def begin_counting(subscription: str) -> None:
    """Makes the series of a subscription, at 0."""
    for outcome in OUTCOMES:
        metrics.INBOX_EVENTS.labels(subscription, outcome)
    for metric in (metrics.INBOX_DUPLICATES, metrics.INBOX_PARKED, metrics.INBOX_RETRIED):
        metric.labels(subscription)


def _headers(message: amqp.Message) -> dict[str, Any]:
    """The headers that travel on. Those that the broker counts with begin anew in every queue."""
    given = message.properties.get("application_headers") or {}
    return {name: value for name, value in given.items() if name not in ("x-delivery-count", "x-death")}


def _is_suspect(message: amqp.Message) -> bool:
    headers = message.properties.get("application_headers") or {}
    count = headers.get("x-delivery-count", 0)
    return isinstance(count, int) and count >= SUSPECT_AFTER
