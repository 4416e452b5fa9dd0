"""`kehu events`: what crosses the bus, live or once more."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from libs.command.output import AsJson, Failure, as_dict, console

if TYPE_CHECKING:
    from kehu.common.v1.envelope_pb2 import Envelope

events = typer.Typer(no_args_is_help=True, help="What crosses the bus: watch it live, or have it sent once more.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(events, name="events")


@events.command("tail")
def tail(
    service: Annotated[str, typer.Argument(help="Whose events, for example profiles.")],
    *,
    kind: Annotated[
        str, typer.Option("--type", help="Only these; * stands for a word and # for any number of them.")
    ] = "#",
    entity: Annotated[str, typer.Option(help="Only events of this entity, for example cus_….")] = "",
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds; 0 goes on until Ctrl-C.")] = 0.0,
    body: Annotated[bool, typer.Option("--body", help="Show the state that the event carries, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch the events of a service from now on. It takes copies: nothing is missed by anybody else.

    [bold]Examples:[/bold]

      kehu events tail profiles\n
      kehu events tail profiles --type 'kehu.profiles.customer.*.v1' --body\n
      kehu events tail interactions --json | jq .type
    """
    with tap(service, kind=kind) as copies:
        typer.echo(f"listening to {service}; Ctrl-C ends this", err=True)
        for envelope in copies.events(until=time.monotonic() + (seconds or float("inf"))):
            if entity and envelope.entity_id != entity:
                continue
            if as_json:
                typer.echo(json.dumps(_json(envelope), ensure_ascii=False))
            else:
                show(envelope, body=body)


@events.command("replay")
def replay(
    service: Annotated[str, typer.Argument(help="Whose events, for example profiles.")],
    *,
    entity: Annotated[str, typer.Option(help="Only events of this entity.")] = "",
    since: Annotated[
        str, typer.Option(help="Only changes from this time on, for example 2024-05-17T08:30+08:00.")
    ] = "",
    until: Annotated[str, typer.Option(help="Only changes before this time.")] = "",
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type; repeatable.")] = None,
    to: Annotated[
        str, typer.Option(help="Only to this subscriber, SERVICE.SUBSCRIPTION; default: to all of them.")
    ] = "",
    tenant: Annotated[str, typer.Option(help="Whose events; default: KEHU_TENANT, or the local stack's tenant.")] = "",
) -> None:
    """Send past events once more, from the journal, in their order and with their ids.

    Subscribers that had them recognise them; a new one catches up.

    [bold]Examples:[/bold]

      kehu events replay profiles --entity cus_…\n
      kehu events replay profiles --since 2024-05-17 --to interactions.attribution
    """
    from libs.chassis.context import Context, enter
    from libs.client.stack import Stack
    from libs.command.backstage import instant, journal, publisher

    tenant = tenant or Stack.find().tenant
    with journal(service) as opened, publisher() as bus, enter(Context(tenant=tenant, actor="operator")):
        count = opened.replay(
            bus,
            entity_id=entity,
            since=instant(since),
            until=instant(until),
            types=kind or (),
            exchange=f"{to}.shard" if to else "",
        )
    console.print(f"{count:,} events of {tenant} were sent once more")


@contextmanager
def tap(*services: str, kind: str = "#") -> Iterator[Tap]:
    """Copies of everything that these services publish inside the block. Failure when the bus cannot be used."""
    import amqp

    from libs.client.stack import Stack
    from libs.engine.bus import BUS_ERRORS, close, connect

    try:
        connection = connect(Stack.find().amqp_uri, name="kehu events")
    except BUS_ERRORS as error:
        raise Failure(f"the bus does not answer ({error}); `make status` tells whether RabbitMQ runs") from error
    try:
        channel = connection.channel()
        queue, _, _ = channel.queue_declare(exclusive=True)
        for service in services:
            try:
                channel.queue_bind(queue, exchange=f"{service}.events", routing_key=kind)
            except amqp.NotFound:
                raise Failure(
                    f"there is no service {service!r} on this bus; `kehu {service} migrate` declares one"
                ) from None
        arrived: deque[Any] = deque()
        channel.basic_consume(queue, callback=arrived.append, no_ack=True)
        yield Tap(connection, arrived)
    finally:
        close(connection)


class Tap:
    """A temporary queue of our own."""

    def __init__(self, connection: Any, arrived: deque[Any]) -> None:
        self._connection = connection
        self._arrived = arrived

    def events(self, *, until: float = float("inf"), quiet: float = float("inf")) -> Iterator[Envelope]:
        """Envelopes as they come, until that moment of the process clock or until none came for `quiet` seconds."""
        from kehu.common.v1.envelope_pb2 import Envelope

        last = time.monotonic()
        while time.monotonic() < min(until, last + quiet):
            try:
                self._connection.drain_events(timeout=0.1)
            except TimeoutError:
                self._connection.heartbeat_tick()
            while self._arrived:
                last = time.monotonic()
                yield Envelope.FromString(self._arrived.popleft().body)


def show(envelope: Envelope, *, body: bool = False) -> None:
    """Prints one event on a line: when, what, whose, what changed and by whom."""
    at = envelope.time.ToDatetime(tzinfo=UTC).astimezone()
    changed = f"  [dim]{', '.join(envelope.changed_fields)}[/dim]" if envelope.changed_fields else ""
    console.print(
        f"[dim]{at:%H:%M:%S}.{at.microsecond // 1000:03d}[/dim] "
        f"[bold cyan]{envelope.type.removeprefix('kehu.').removesuffix('.v1')}[/bold cyan] "
        f"{envelope.entity_id} [green]r{envelope.revision}[/green] "
        f"[dim]{escape(envelope.tenant)} · {escape(envelope.actor)}[/dim]{changed}",
        soft_wrap=True,
    )
    if body:
        message = decode(envelope)
        console.print_json(data=as_dict(message) if message is not None else None)


def decode(envelope: Envelope) -> Any:
    """The event message inside an envelope. None when this client is older than its type."""
    from google.protobuf.message_factory import GetMessageClass
    from kehu.common.v1 import options_pb2

    try:
        module = import_module(f"kehu.{envelope.source}.v1.events_pb2")
    except ModuleNotFoundError:
        return None
    for descriptor in module.DESCRIPTOR.message_types_by_name.values():
        if descriptor.GetOptions().Extensions[options_pb2.event].type == envelope.type:
            return GetMessageClass(descriptor).FromString(envelope.data)
    return None


def _json(envelope: Envelope) -> dict[str, Any]:
    message = decode(envelope)
    return {**as_dict(envelope), "data": as_dict(message) if message is not None else None}
