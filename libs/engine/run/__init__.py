"""Starts one process of a service: `kehu <service> api|worker|migrate|check`.

    api       serves calls, on grpc
    worker    reacts to events and publishes them, on nameko
    web       serves pages to people outside, of a service that has some
    migrate   makes indexes, exchanges and queues; repeatable, at any time; api and worker wait for it, alive and not
              ready. `--remove` also drops the indexes that are no longer declared
    check     says what is missing or wrong, and changes nothing

Exit codes are those of `libs.engine.exits`.
"""

from libs.engine.run.start import main

__all__ = ["main"]
