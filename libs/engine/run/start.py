"""Starts one process of a service, in the role that its command names."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final, NoReturn, TypeVar, get_args

from amqp import AMQPError
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

from libs import tracing
from libs.chassis.service import Service
from libs.engine import green, journal, logs, metrics
from libs.engine.deferrals import Deferrals
from libs.engine.exits import Exit
from libs.engine.inbox import effects as inbox
from libs.engine.rpc import onward
from libs.engine.run.keys import Keys
from libs.engine.run.process import Process
from libs.engine.settings import Role, Settings, SettingsError
from libs.engine.store import MongoDatabase, connect, unconnected

S = TypeVar("S")
SERVING: Final = ("api", "worker", "web")
"""Roles of processes that run until they are asked to end."""


def main(service: Service[Any]) -> NoReturn:
    """Runs the role that the command names and ends the process with its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["worker"] and not green.patched():
        green.start_anew(str(sys.modules["__main__"].__package__))
    sys.exit(_run(service, arguments))


def _run(service: Service[Any], arguments: Sequence[str]) -> int:
    role: Role
    match arguments:
        case ["api" | "worker" | "migrate" | "check" as role] | ["migrate" as role, "--remove"]:
            pass
        case ["web" as role] if service.web is not None:
            pass
        case ["operation" as role, _, _]:
            pass
        case _:
            missing = ("operation",) if service.web is not None else ("operation", "web")
            roles = "|".join(role for role in get_args(Role) if role not in missing)
            print(f"usage: kehu {service.name} {roles}", file=sys.stderr)  # noqa: T201
            return Exit.MISUSED
    # Without a handler, the first process of a container ignores the signal. What serves has a better one later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.DONE if role in SERVING else Exit.UNAVAILABLE))
    try:
        settings = Settings.read(role)
        logs.configure(service.name, role, settings.log_level)
        keys = Keys.none() if role in ("migrate", "check") else Keys.read(settings.token_keys)
        if role in SERVING:
            # What serves waits for its database, alive and not ready: started again and again, it would be late when
            # the database comes.
            client = unconnected(settings.mongodb_uri.read(), service.name)
            return _serve(_process(service, settings, keys, client), role)
        client = connect(settings.mongodb_uri.read(), service.name, patient=role in ("operation", "migrate"))
        process = _process(service, settings, keys, client)
        if role == "operation":
            return _operate(process, *arguments[1:])
        from libs.engine.run import upkeep

        return upkeep.check(process) if role == "check" else upkeep.migrate(process, remove=len(arguments) > 1)
    except (SettingsError, FileNotFoundError) as error:
        print(f"kehu {service.name} {role}: {error}", file=sys.stderr)  # noqa: T201
        return Exit.MISUSED
    except (ConnectionFailure, AMQPError, OSError) as error:
        logs.get(__name__).error("gives up", error=f"{type(error).__name__}: {error}")
        return Exit.UNAVAILABLE


def _operate(process: Process[Any], tenant: str, id: str) -> int:
    from libs.engine.run import schema
    from libs.engine.run.operate import operate

    schema.learn(process.database)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    kinds = process.service.operations(process.store) if process.service.operations else ()
    with onward.speaking(process.speaker()):
        return operate(process.operations, {kind.name: kind for kind in kinds}, tenant, id, stopping)


def _process(service: Service[S], settings: Settings, keys: Keys, client: MongoClient[dict[str, Any]]) -> Process[S]:
    database = MongoDatabase(
        client,
        service.name,
        page_key=keys.page,
        seal_key=keys.seal,
    )
    for bookkeeping in (inbox, journal):
        database.keep(bookkeeping.COLLECTION, bookkeeping.INDEXES)
    store = service.store(database)
    Deferrals(database)  # declares its collection
    return Process(service, settings, database, store)


def _serve(process: Process[Any], role: Role) -> int:
    metrics.watch_process()
    metrics.BUILD_INFO.labels(process.settings.version, process.settings.revision).set(1)
    tracing.configure(process.service.name, process.settings.trace_endpoint)
    logs.get(__name__).info("starts", settings=process.settings.describe())
    # What a shell starts in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if role == "api":
        from libs.engine.run.api import serve

        return serve(process)
    if role == "web":
        from libs.engine.run.web import serve

        return serve(process)
    from libs.engine.run.worker import work

    return work(process)
