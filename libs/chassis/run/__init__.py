"""Starts one process of a service: `kehu <service> api|worker|migrate|check`.

    api       serves calls, on grpc
    worker    reacts to events and publishes them, on nameko
    migrate   makes indexes, exchanges and queues; repeatable, at any time; api and worker wait for it, alive and not
              ready. `--remove` also drops the indexes that are no longer declared
    check     says what is missing or wrong, and changes nothing

Exit codes are those of `libs.chassis.exits`.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

# A worker has to patch sockets, threads and time before anything else imports them, so this module comes first in the
# composition root, and decides by the command alone.
if sys.argv[1:] == ["worker"] and Path(sys.argv[0]).name == "__main__.py":
    if early := {"amqp", "grpc", "pymongo"} & sys.modules.keys():
        raise ImportError(f"{', '.join(sorted(early))} came before libs.chassis.run, which has to be imported first")
    # Resolving names is left to the operating system: eventlet's own resolver knows nothing of search domains.
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its end of life; handlers are plain functions, ready to leave
        import eventlet
    eventlet.monkey_patch()

from libs.chassis.run.service import Service, main

__all__ = ["Service", "main"]
