"""The api process: calls come in through grpc, and none fails because the process is asked to end."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Final

import pymongo
from pymongo.errors import PyMongoError

from libs.chassis import logs, tracing
from libs.chassis.admin import AdminServer
from libs.chassis.run.service import Process

LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the database."""
PATIENCE: Final = 10.0
"""Seconds without the database until calls are no longer sent here; an election of a primary is shorter."""
STOP_BUDGET: Final = 40.0
TOO_LATE: Final = 70

log = logs.get(__name__)


class DatabaseWatch:
    """Whether the database has answered lately."""

    def __init__(self, process: Process[Any]) -> None:
        self._admin = process.database.client.admin
        self._answered = time.monotonic()

    def look(self) -> None:
        """Asks once."""
        try:
            with pymongo.timeout(LOOK_EVERY):
                self._admin.command("ping")
        except PyMongoError as error:
            log.warning("the database does not answer", error=f"{type(error).__name__}: {error}")
        else:
            self._answered = time.monotonic()

    def why_not_ready(self) -> str | None:
        """The reason to send no work, or None."""
        silent = time.monotonic() - self._answered
        return f"the database has not answered for {silent:.0f} s" if silent > PATIENCE else None


def serve(process: Process[Any]) -> int:
    """Serves calls until SIGTERM or SIGINT, then drains."""
    from libs.chassis.rpc import Server

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = Server(process.settings, process.service.servicers(process.store))
    watch = DatabaseWatch(process)

    def why_not_ready() -> str | None:
        return "is stopping" if stop.is_set() else watch.why_not_ready()

    admin = AdminServer(process.settings.admin_listen, live=lambda: None, ready=why_not_ready)
    server.start()
    admin.start()
    server.set_ready(True)
    log.info("serves", port=server.port, admin_port=admin.port)
    while not stop.wait(LOOK_EVERY):
        watch.look()
        server.set_ready(watch.why_not_ready() is None)

    log.info("drains")
    last_resort = threading.Timer(STOP_BUDGET, lambda: os._exit(TOO_LATE))
    last_resort.daemon = True
    last_resort.start()
    server.drain()
    admin.stop()
    tracing.shutdown()
    process.database.client.close()
    last_resort.cancel()
    log.info("stopped")
    return 0
