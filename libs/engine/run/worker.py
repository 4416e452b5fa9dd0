"""The worker process: one nameko container with a loop for the relay and one for each subscription."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import eventlet
from eventlet import patcher
from nameko.runners import ServiceRunner

from libs import tracing
from libs.chassis.timers import Timer
from libs.engine import logs
from libs.engine.admin import AdminServer
from libs.engine.exits import Exit
from libs.engine.inbox.consumer import Consumer, Spawn
from libs.engine.inbox.entrypoint import LoopEntrypoint, service_class
from libs.engine.lease import PATIENT, SWIFT, Cadence, Lease, MongoLease
from libs.engine.loop import Loop
from libs.engine.outbox import Relay
from libs.engine.run.operate import OperationLoop
from libs.engine.run.process import Process
from libs.engine.run.schema import Gate
from libs.engine.timers import TimerLoop

LOOK_EVERY: Final = 0.5
"""Seconds between two looks of the watchdog."""
LOOK_AT_DATABASE_EVERY: Final = 2.0
"""Seconds between two looks at the schema of the database, and at its credentials."""
_WORKERS: Final = 100

log = logs.get(__name__)


def work(process: Process[Any]) -> int:
    """Works until SIGTERM or SIGINT, then finishes what it has begun."""
    if not patcher.is_monkey_patched("socket"):
        raise RuntimeError("start workers as `kehu <service> worker` or `python -m services.<service> worker`")
    _lease(process, "relay", SWIFT)  # whether there can be one, before anything has begun
    runner = ServiceRunner({"max_workers": _WORKERS})
    worker = _Worker(runner, process)
    for number in (signal.SIGTERM, signal.SIGINT):
        # A handler interrupts green threads anywhere, so it only schedules.
        signal.signal(number, lambda *_: eventlet.spawn_n(worker.stop))
    admin = AdminServer(process.settings.admin_listen, live=worker.why_stalled, ready=worker.why_not_ready)
    admin.start()
    try:
        if worker.may_begin():
            runner.add_service(
                service_class(process.service.name, _loops(process), float(process.settings.grace_seconds))
            )
            runner.start()
            worker.begun = True
            eventlet.spawn_n(worker.watch)
            eventlet.spawn_n(worker.watch_database)
            log.info("works", loops=[loop.name for loop in worker.loops()], admin_port=admin.port)
            runner.wait()
    except Exception:
        log.exception("the container died")
        _die()
    admin.stop()
    tracing.shutdown()
    process.database.client.close()
    log.info("stopped")
    return 0


class _Worker:
    """Lets the work begin when the database is ready for it, and ends the process when it should end.

    In good order when asked, at once when nameko lives on without working.
    """

    def __init__(self, runner: ServiceRunner, process: Process[Any]) -> None:
        self._runner = runner
        self._gate = Gate(process.database)
        self._rotation = process.rotation()
        self._stop_budget = process.settings.stop_budget
        self._stopping = False
        self.begun = False

    def may_begin(self) -> bool:
        """Waits for the schema. True when it came before the order to stop."""
        while not (self._stopping or self._gate.try_to_look()):
            self._rotation.look()
            eventlet.sleep(LOOK_AT_DATABASE_EVERY)
        return not self._stopping

    def loops(self) -> list[Loop]:
        """The loops of the container, sorted by name."""
        entrypoints = [e for c in self._runner.containers for e in c.entrypoints if isinstance(e, LoopEntrypoint)]
        return sorted((entrypoint.loop for entrypoint in entrypoints), key=lambda loop: loop.name)

    def stop(self) -> None:
        """Stops everything in good order."""
        if self._stopping:
            return
        self._stopping = True
        log.info("stops")
        eventlet.spawn_after(self._stop_budget, os._exit, Exit.TOO_LATE)
        self._runner.stop()

    def watch(self) -> None:
        """Ends the process with a container that died: its extensions are gone, and nothing would start them again."""
        while not self._stopping:
            for container in self._runner.containers:
                if container._being_killed or container._died.ready():  # noqa: SLF001  (nameko tells it in no other way)
                    log.error("the container died, and nameko does not end the process")
                    _die()
            eventlet.sleep(LOOK_EVERY)  # last, so that nothing happens between asking `_stopping` and looking

    def watch_database(self) -> None:
        """Follows its credentials. Ends the process, to wait in its next life, when a newer release stored what this
        code cannot read."""
        while not self._stopping:
            eventlet.sleep(LOOK_AT_DATABASE_EVERY)
            self._rotation.look()
            if not self._gate.try_to_look() and self._gate.problem:
                self.stop()

    def why_stalled(self) -> str | None:
        """The reason to kill this process, or None. One that ends has a time limit of its own."""
        return None if self._stopping else self._first(Loop.why_stalled)

    def why_not_ready(self) -> str | None:
        """The reason not to count on this process, or None."""
        if self._stopping:
            return "is stopping"
        return self._first(Loop.why_not_ready) if self.begun else self._gate.problem or "is starting"

    def _first(self, ask: Callable[[Loop], str | None]) -> str | None:
        if not self.begun:
            return None
        return next(filter(None, map(ask, self.loops())), None)


def _die() -> NoReturn:
    """Ends the process at once: what is left of it must not be waited for."""
    sys.stdout.flush()
    os._exit(Exit.DIED)


def _loops(process: Process[Any]) -> dict[str, Callable[[Spawn], Loop]]:
    """Name → what makes the loop."""
    database = process.database

    def relay(_: Spawn) -> Loop:
        return Relay(database, process.amqp_uri, _lease(process, "relay", SWIFT))

    loops: dict[str, Callable[[Spawn], Loop]] = {"relay": relay}
    for subscription in process.subscriptions():

        def consumer(spawn: Spawn, subscription: Any = subscription) -> Loop:
            return Consumer(database, subscription, process.amqp_uri, spawn=spawn)

        loops[f"subscription {subscription.name}"] = consumer
    for timer in process.service.timers(process.store):

        def timed(_: Spawn, timer: Timer[Any] = timer) -> Loop:
            return TimerLoop(database, timer, _lease(process, f"timer.{timer.name}", PATIENT))

        loops[f"timer {timer.name}"] = timed
    if process.service.operations is not None:
        package = str(sys.modules["__main__"].__package__)
        grace = float(process.settings.grace_seconds)
        loops["operations"] = lambda _: OperationLoop(database, package, grace)
    return loops


def _lease(process: Process[Any], name: str, cadence: Cadence) -> Lease:
    """The lease of this name, where the settings want it."""
    owner = f"{socket.gethostname()}/{os.getpid()}"
    if process.settings.lease == "mongodb":
        return MongoLease(process.database.raw["leases"], name, owner, cadence)
    from libs.engine.lease.kubernetes import Cluster, KubernetesLease, object_name

    stored_as = object_name(process.settings.lease_prefix, process.service.name, name)
    return KubernetesLease(Cluster.around(), stored_as, name, owner, cadence)
