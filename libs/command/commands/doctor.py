"""`kehu doctor`: looks at everything a command depends on, and says what to do about what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from libs.client.stack import Stack, StackUnknown
from libs.command.output import AsJson, console, print_json
from libs.engine.exits import Exit
from libs.registry import SERVICES, target_variable
from libs.suite import composition, routes

if TYPE_CHECKING:
    from libs.client.client import Client

STALE = timedelta(seconds=30)
"""Age of an unpublished event from which something is wrong."""

_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: str
    """The finding, in a few words."""
    advice: str = ""
    """The next step. Empty when all is well."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor")(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check settings, access token, services, store and bus. Every failing line says what to do next.

    [bold]Example:[/bold] kehu doctor
    """
    findings = list(examine(Stack.find()))
    if as_json:
        print_json([{"what": f.what, "ok": not f.advice, "state": f.state, "advice": f.advice} for f in findings])
    else:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for finding in findings:
            mark = "[red]✗[/red]" if finding.advice else "[green]✓[/green]"
            advice = f"\n[yellow]→ {escape(finding.advice)}[/yellow]" if finding.advice else ""
            table.add_row(mark, finding.what, escape(finding.state) + advice)
        console.print(table)
    if any(finding.advice for finding in findings):
        raise typer.Exit(Exit.FAILED)


def examine(stack: Stack) -> Iterator[Finding]:
    """Looks at one thing after another. None keeps the next from being looked at."""
    yield _attempt("token", partial(_token, stack))
    for service in SERVICES:
        yield _attempt(f"{service} api", partial(_api, stack, service))
    for name, address in sorted(stack.admin.items()):
        yield _attempt(name.replace(".", " "), partial(_ready, name, address))
    store = _attempt("store", partial(_store, stack))
    yield store
    if not store.advice:
        for service in SERVICES:
            yield _attempt(f"{service} store", partial(_service_store, stack, service))
    bus = _attempt("bus", partial(_bus, stack))
    yield bus
    if not bus.advice:
        for service in SERVICES:
            yield _attempt(f"{service} queues", partial(_queues, stack, service))


def _attempt(what: str, look: Callable[[], tuple[str, str]]) -> Finding:
    try:
        return Finding(what, *look())
    except StackUnknown as unknown:
        return Finding(what, "not known", str(unknown))
    except Exception as error:  # noqa: BLE001  (whatever is broken is a finding, not the end of the examination)
        return Finding(what, f"{type(error).__name__}: {error}", "mend what it says, then run this again")


def _token(stack: Stack) -> tuple[str, str]:
    import jwt

    claims = jwt.decode(stack.token, options={"verify_signature": False})
    left = datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC)
    state = f"{claims.get('sub')} of tenant {claims.get('tenant')}, scopes {claims.get('scope')}"
    if left <= timedelta():
        return f"{state}, expired", "get a new one with `kehu token issue` and set KEHU_TOKEN"
    return f"{state}, for another {int(left.total_seconds() // 60)} minutes", ""


def _api(stack: Stack, service: str) -> tuple[str, str]:
    """Asks whether the service answers and takes the access token."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from libs.client.channel import connect
    from libs.client.client import Client
    from libs.client.errors import PermissionDenied, Unauthenticated
    from libs.client.retry import Retry

    target = stack.target(service)
    with connect(target) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            return f"{target}: {error.details()}", f"start it (`make up`), or set {target_variable(service)}"
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if state != "SERVING":
        return f"{target}: {state}", "it starts, stops, or has lost its store; see the lines below"
    with Client(token=stack.token, timeout=_SECONDS, retry=Retry(attempts=1)) as client:
        try:
            _ask(client, service)
        except Unauthenticated as error:
            return f"{target}: {error}", "get a new token with `kehu token issue` and set KEHU_TOKEN"
        except PermissionDenied:
            return f"{target} serves; the token may not read there", ""
    return f"{target} serves", ""


def _ask(client: Client, service: str) -> None:
    """Asks for a page of a list, to see whether the access token is taken. A list that wants more is as good."""
    from libs.client.client import descriptors
    from libs.client.errors import InvalidArgument
    from libs.client.pages import items_field
    from libs.client.service import snake_case

    lists = [method for area in descriptors(service) for method in area.methods if items_field(method)]
    for method in lists[:1]:
        with suppress(InvalidArgument):
            next(getattr(getattr(client, service), snake_case(method.name))().pages)


def _ready(name: str, address: str) -> tuple[str, str]:
    from http.client import HTTPConnection

    connection = HTTPConnection(address, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        said = response.read(500).decode(errors="replace").strip()
    except OSError as error:
        return f"{address}: {error}", f"start it with `make up`; its log is build/run/{name.replace('.', '-')}.log"
    finally:
        connection.close()
    if response.status >= 400:
        return f"{address}: not ready, {said}", f"its log tells why: build/run/{name.replace('.', '-')}.log"
    return f"{address} is ready", ""


def _store(stack: Stack) -> tuple[str, str]:
    from pymongo.errors import PyMongoError

    from libs.engine.store import connect

    try:
        with connect(stack.mongodb_uri, "doctor") as mongo:
            version = mongo.server_info()["version"]
            hello = mongo.admin.command("hello")
    except PyMongoError as error:
        return str(error)[:200], "start MongoDB (`make up`), or set KEHU_MONGODB_URI"
    return f"MongoDB {version}, replica set {hello['setName']} of {len(hello['hosts'])}", ""


def _service_store(stack: Stack, service: str) -> tuple[str, str]:
    """Schema and indexes, and how long the oldest event has been waiting for the relay."""
    from libs.engine.run.schema import SCHEMA, trouble
    from libs.engine.store import MongoDatabase, connect

    with connect(stack.mongodb_uri, service) as mongo:
        database = MongoDatabase(mongo, service, page_key=bytes(32))
        composition(service).store(database)
        wrong, advice = trouble(database)
        if wrong:
            return wrong, advice
        waiting = [
            oldest["_pending_since"]
            for name in database.publishing_collections()
            if (
                oldest := database.raw[name].find_one(
                    {"_pending_since": {"$exists": True}}, sort=[("_pending_since", 1)]
                )
            )
        ]
    state = f"schema {SCHEMA}"
    if not waiting:
        return f"{state}, nothing waits to be published", ""
    age = datetime.now(UTC) - min(waiting)
    state = f"{state}, the oldest event has waited for {age.total_seconds():.1f} s"
    return state, f"start `kehu {service} worker`, or look at its log" if age > STALE else ""


def _bus(stack: Stack) -> tuple[str, str]:
    from libs.engine.bus import BUS_ERRORS, close, connect

    try:
        connection = connect(stack.amqp_uri, name="kehu doctor")
    except BUS_ERRORS as error:
        return f"{type(error).__name__}: {error}", "start RabbitMQ (`make up`), or set KEHU_AMQP_URI"
    state = f"RabbitMQ {connection.server_properties.get('version', '')}"
    close(connection)
    return state, ""


def _queues(stack: Stack, service: str) -> tuple[str, str]:
    """Queues nobody consumes, messages that wait, events that were parked."""
    import amqp

    from libs.engine.bus import close, connect
    from libs.engine.bus.topology import UNROUTED, dead_queue

    connection = connect(stack.amqp_uri, name="kehu doctor")
    try:
        counts = {}
        for name in (
            UNROUTED,
            *(q for route in routes(service) for q in (*route.queues(service), dead_queue(service, route.name))),
        ):
            try:
                counts[name] = connection.channel().queue_declare(name, passive=True)
            except amqp.NotFound:
                return f"queue {name} is missing", f"run `kehu {service} migrate`"
    finally:
        close(connection)
    unrouted = counts.pop(UNROUTED).message_count
    work = {name: found for name, found in counts.items() if not name.endswith(".dead")}
    parked = sum(found.message_count for name, found in counts.items() if name.endswith(".dead"))
    idle = [name for name, found in work.items() if not found.consumer_count]
    state = f"{len(work)} queues, {sum(found.message_count for found in work.values())} events wait, {parked} parked"
    if idle:
        return f"{state}; nobody consumes {', '.join(idle[:3])}", f"start `kehu {service} worker`"
    if parked:
        return state, f"`kehu parked list {service}` shows what could not be handled and why"
    if unrouted:
        return f"{state}; {unrouted} unrouted", "an event found no queue: run `migrate` of every service"
    return state, ""
