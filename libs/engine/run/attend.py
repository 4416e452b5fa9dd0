"""Serving until somebody asks to end: the part that an api and a web process have in common."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

import pymongo
from pymongo.errors import PyMongoError

from libs import tracing
from libs.engine import logs
from libs.engine.admin import AdminServer
from libs.engine.exits import Exit
from libs.engine.loop import why_stalled
from libs.engine.run.process import Process
from libs.engine.run.schema import Gate
from libs.engine.settings import CLEAN_UP

LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the database."""
PATIENCE: Final = 10.0
"""Seconds without the database until calls are no longer sent here. An election of a primary is shorter."""
LOOK_WITHIN: Final = 5.0
"""Seconds that the database may take to answer a look."""
WAKE_EVERY: Final = 0.5
"""Seconds until a signal is heard at the latest."""

log = logs.get(__name__)


class Serving(Protocol):
    """A server that is told what the state of the database means for it."""

    port: int
    """The port that is listened on, also when 0 was asked for."""

    def start(self) -> None:
        """Begins to serve, not yet ready."""

    def set_ready(self, ready: bool) -> None:
        """Tells load balancers whether to send work."""

    def refuse(self, reason: str | None) -> None:
        """Refuses all work for a reason from now on. None takes it again."""

    def drain(self) -> None:
        """Ends the service without failing what runs."""


class DatabaseWatch:
    """Looks at the database, on a thread of its own, and tells the server what it means for calls."""

    def __init__(self, process: Process[Any], server: Serving) -> None:
        self._gate = Gate(process.database)
        self._rotation = process.rotation()
        self._server = server
        self._answered = time.monotonic()
        self.ended = threading.Event()
        server.refuse(self._gate.problem)

    def run(self) -> None:
        """Looks again and again until it is `ended`."""
        while not self.ended.is_set():
            self._rotation.look()
            try:
                with pymongo.timeout(LOOK_WITHIN):
                    self._gate.look()
            except PyMongoError as error:
                log.warning("the database does not answer", error=f"{type(error).__name__}: {error}")
            else:
                self._answered = time.monotonic()
            self._server.refuse(self._gate.problem)
            self._server.set_ready(self.why_not_ready() is None)
            self.ended.wait(LOOK_EVERY)

    def why_not_ready(self) -> str | None:
        """The reason to send no work, or None."""
        if self.ended.is_set():
            return "is stopping"
        silent = time.monotonic() - self._answered
        return f"the database has not answered for {silent:.0f} s" if silent > PATIENCE else self._gate.problem


def wait(asked_to_end: SimpleQueue[int]) -> None:
    """Until somebody asks.

    A signal may reach a thread of grpc; this one, which alone runs handlers, then hears of it when it wakes by itself.
    """
    while True:
        with suppress(Empty):
            asked_to_end.get(timeout=WAKE_EVERY)
            return


def attend(process: Process[Any], server: Serving) -> int:
    """Serves until SIGTERM or SIGINT, then drains. Returns the exit code."""
    asked_to_end = SimpleQueue[int]()  # the one thing that a signal handler may safely wake a thread with
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked_to_end.put(number))
    watch = DatabaseWatch(process, server)
    admin = AdminServer(process.settings.admin_listen, live=why_stalled, ready=watch.why_not_ready)
    server.start()
    admin.start()
    log.info("serves", port=server.port, admin_port=admin.port)
    watching = threading.Thread(target=watch.run, name="database watch", daemon=True)
    watching.start()
    wait(asked_to_end)

    log.info("drains")
    last_resort = threading.Timer(process.settings.stop_budget, lambda: os._exit(Exit.TOO_LATE))
    last_resort.daemon = True
    last_resort.start()
    watch.ended.set()
    server.drain()
    admin.stop()
    tracing.shutdown()
    watching.join(CLEAN_UP)
    process.database.client.close()
    last_resort.cancel()
    log.info("stopped")
    return 0
