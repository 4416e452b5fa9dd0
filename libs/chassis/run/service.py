"""What a service is made of, and the choice of what this process is for."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, get_args

from amqp import AMQPError
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

from libs.chassis import access, green, journal, logs, metrics, tracing
from libs.chassis.deferrals import Deferrals
from libs.chassis.exits import Exit
from libs.chassis.inbox import effects as inbox
from libs.chassis.journal import Journal
from libs.chassis.operations import OperationKind, Operations
from libs.chassis.rpc import onward
from libs.chassis.run.keys import Keys
from libs.chassis.settings import Role, Settings, SettingsError
from libs.chassis.store import Database, MongoDatabase, connect, unconnected
from libs.chassis.store.rotation import Rotation
from libs.chassis.timers import Timer

if TYPE_CHECKING:
    from libs.chassis.inbox import Subscription

S = TypeVar("S")

Servicer = tuple[Callable[[Any, Any], None], object]
"""A generated `add_XServicer_to_server` and the servicer that it adds."""


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S]):
    """The parts that a composition root brings together. Imports of grpc belong inside `servicers`."""

    name: str
    """Folder, database, exchange and metric label."""
    store: Callable[[Database], S]
    """Declares the collections."""
    servicers: Callable[[S], Sequence[Servicer]]
    """The gRPC services of the areas; called in an api process only. Journal and operations are added to them."""
    subscriptions: Callable[[S], Sequence[Subscription]] = lambda _: ()
    """What the service reacts to; called in every role but api."""
    timers: Callable[[S], Sequence[Timer[Any]]] = lambda _: ()
    """What the service does when time comes; called in a worker only."""
    operations: Callable[[S], Sequence[OperationKind[Any, Any]]] | None = None
    """The long work of the service; called in the child process that does it."""


@dataclass(frozen=True, slots=True)
class Process(Generic[S]):
    """A service connected to its database, ready for its role."""

    service: Service[S]
    settings: Settings
    database: MongoDatabase
    store: S

    @property
    def journal(self) -> Journal:
        """The journal of the service."""
        return Journal(self.database)

    def subscriptions(self) -> list[Subscription]:
        """Everything the worker consumes: the service's own subscriptions and the journal."""
        return [*self.service.subscriptions(self.store), self.journal.subscription()]

    @property
    def operations(self) -> Operations:
        """The operations of the service."""
        return Operations(self.database)

    def rotation(self) -> Rotation:
        """What notices that the credentials of the database change."""
        return Rotation(self.database.client, self.settings.mongodb_uri)

    def speaker(self) -> access.Speaker:
        """The identity that the process calls other services with."""
        settings = self.settings
        return access.Speaker(settings.token_keys, self.service.name, issuer=settings.token_issuer)

    def amqp_uri(self) -> str:
        """The address of the broker, read again each time because credentials change."""
        return self.settings.amqp_uri.read()


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
        case ["operation" as role, _, _]:
            pass
        case _:
            roles = "|".join(role for role in get_args(Role) if role != "operation")
            print(f"usage: kehu {service.name} {roles}", file=sys.stderr)  # noqa: T201
            return Exit.MISUSED
    # Without a handler, the first process of a container ignores the signal. What serves has a better one later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.DONE if role in ("api", "worker") else Exit.UNAVAILABLE))
    try:
        settings = Settings.read(role)
        logs.configure(service.name, role, settings.log_level)
        keys = Keys.none() if role in ("migrate", "check") else Keys.read(settings.token_keys)
        if role in ("api", "worker"):
            # What serves waits for its database, alive and not ready: started again and again, it would be late when
            # the database comes.
            client = unconnected(settings.mongodb_uri.read(), service.name)
            return _serve(_process(service, settings, keys, client), role)
        client = connect(settings.mongodb_uri.read(), service.name, patient=role in ("operation", "migrate"))
        process = _process(service, settings, keys, client)
        if role == "operation":
            return _operate(process, *arguments[1:])
        from libs.chassis.run import upkeep

        return upkeep.check(process) if role == "check" else upkeep.migrate(process, remove=len(arguments) > 1)
    except (SettingsError, FileNotFoundError) as error:
        print(f"kehu {service.name} {role}: {error}", file=sys.stderr)  # noqa: T201
        return Exit.MISUSED
    except (ConnectionFailure, AMQPError, OSError) as error:
        logs.get(__name__).error("gives up", error=f"{type(error).__name__}: {error}")
        return Exit.UNAVAILABLE


def _operate(process: Process[Any], tenant: str, id: str) -> int:
    from libs.chassis.run import schema
    from libs.chassis.run.operate import operate

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
        from libs.chassis.run.api import serve

        return serve(process)
    from libs.chassis.run.worker import work

    return work(process)
