"""`kehu parked`: events and items of timers that a service could not handle, and what a person decides about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.client.stack import Stack
from libs.command.backstage import database
from libs.command.output import AsJson, Failure, as_dict, console, print_json
from libs.suite import routes

if TYPE_CHECKING:
    from libs.engine.deferrals import Deferral
    from libs.engine.inbox.parked import DeadQueue, Parked

parking = typer.Typer(
    no_args_is_help=True,
    help="""Events that a service could not handle wait until a person decides: mend the cause and replay, or drop.

    A queue is named SERVICE.SUBSCRIPTION, as [bold]kehu parked list[/bold] shows it. Both ways out are audited.
    Items of timers that fail are deferred: they are tried again by themselves, with growing pauses.
    """,
)

Queue = Annotated[str, typer.Argument(help="SERVICE.SUBSCRIPTION, for example interactions.attribution.")]
Actor = Annotated[str, typer.Option(help="Who decides; written into the audit record.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(parking, name="parked")


@parking.command("list")
def list_(
    where: Annotated[str, typer.Argument(help="A service, or SERVICE.SUBSCRIPTION.")],
    limit: Annotated[int, typer.Option(help="How many of each subscription at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what is parked and why, the longest first.

    [bold]Examples:[/bold] kehu parked list interactions · kehu parked list interactions.attribution --limit 100
    """
    service, _, one = where.partition(".")
    names = [one] if one else [route.name for route in routes(service)]
    found: list[tuple[str, Parked]] = []
    for name in names:
        with _queue(f"{service}.{name}", "") as queue:
            found += [(f"{service}.{name}", parked) for parked in queue.list(limit)]
    deferred = [] if one else _deferred(service, limit)
    if as_json:
        items = [{"timer": f"{service}.{each.timer}", "tenant": tenant, **_item(each)} for tenant, each in deferred]
        print_json([*({"queue": name, **_json(parked)} for name, parked in found), *items])
        return
    if not found and not deferred:
        console.print(f"nothing of {escape(where)} is parked")
    if found:
        _print_events(found)
    if deferred:
        _print_items(service, deferred)


def _print_events(found: Sequence[tuple[str, Parked]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("queue", "event", "attempts", "first failed", "reason"):
        table.add_column(heading)
    for name, parked in found:
        table.add_row(name, parked.id, str(parked.attempts), parked.since[:19], Text(parked.reason, style="red"))
    console.print(table)
    console.print("[dim]kehu parked show QUEUE EVENT · replay QUEUE [EVENT…] · drop QUEUE EVENT… --reason …[/dim]")


def _print_items(service: str, deferred: Sequence[tuple[str, Deferral]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("timer", "tenant", "item", "failures", "next attempt", "reason"):
        table.add_column(heading)
    for tenant, each in deferred:
        at = each.next_time.isoformat(timespec="seconds")[:19]
        row = f"{service}.{each.timer}", tenant, each.item or "(all)", str(each.failures), at
        table.add_row(*row, Text(each.reason, style="red"))
    console.print(table)
    console.print("[dim]they are tried again by themselves; kehu parked retry SERVICE does it at once[/dim]")


@parking.command("retry")
def retry(where: Annotated[str, typer.Argument(help="A service, or SERVICE.TIMER.")]) -> None:
    """Try deferred items of timers again at once, instead of when their pause is over. Mend the cause first.

    [bold]Example:[/bold] kehu parked retry profiles.segments
    """
    from libs.engine.deferrals import Deferrals

    service, _, timer = where.partition(".")
    with database(service) as opened:
        count = Deferrals(opened).release(timer)
    console.print(f"{count} items of {escape(where)} are tried again")


@parking.command("show")
def show(queue: Queue, event: Annotated[str, typer.Argument(help="The id of the event.")]) -> None:
    """Show one parked event: why it failed, its headers and what it says.

    [bold]Example:[/bold] kehu parked show interactions.attribution cus_01jd…:3:0
    """
    with _queue(queue, "") as opened:
        parked = opened.show(event)
    if parked is None:
        raise Failure(f"{event} is not parked in {queue}; `kehu parked list {queue}` shows what is")
    print_json(_json(parked, whole=True))


@parking.command("replay")
def replay(
    queue: Queue,
    events: Annotated[list[str] | None, typer.Argument(help="Ids of events; without any, all that is parked.")] = None,
    actor: Actor = "operator",
) -> None:
    """Send parked events back to their subscriber, as if they had never failed. Mend the cause first.

    [bold]Example:[/bold] kehu parked replay interactions.attribution
    """
    with _queue(queue, actor) as opened:
        count = opened.replay(events or None)
    console.print(f"{count} events went back to {queue}")
    _all_found(queue, events, count)


@parking.command("drop")
def drop(
    queue: Queue,
    events: Annotated[list[str], typer.Argument(help="Ids of events.")],
    reason: Annotated[str, typer.Option(help="Why; written into the audit record.")],
    actor: Actor = "operator",
) -> None:
    """Remove parked events for ever.

    [bold]Example:[/bold] kehu parked drop interactions.attribution cus_01jd…:3:0 --reason "sent by a broken build"
    """
    with _queue(queue, actor) as opened:
        try:
            count = opened.drop(events, reason)
        except ValueError as error:
            raise Failure(str(error)) from error
    console.print(f"{count} events of {queue} were dropped")
    _all_found(queue, events, count)


@contextmanager
def _queue(name: str, actor: str) -> Iterator[DeadQueue]:
    """The parked messages of SERVICE.SUBSCRIPTION."""
    import amqp

    from libs.engine.bus import BUS_ERRORS
    from libs.engine.inbox.parked import DeadQueue

    service, dot, subscription = name.partition(".")
    if not dot:
        raise Failure(f"a queue is named SERVICE.SUBSCRIPTION; `kehu parked list {service}` shows those of {service}")
    stack = Stack.find()
    with database(service) as opened:
        try:
            yield DeadQueue(opened, subscription, lambda: stack.amqp_uri, actor=actor)
        except amqp.NotFound:
            raise Failure(
                f"{service} has no subscription {subscription!r}; `kehu parked list {service}` shows them"
            ) from None
        except BUS_ERRORS as error:
            raise Failure(f"the bus does not answer ({error}); `make status` tells whether RabbitMQ runs") from error


def _deferred(service: str, limit: int) -> Sequence[tuple[str, Deferral]]:
    """(tenant, item) of what the timers of a service could not do."""
    from libs.engine.deferrals import Deferrals

    with database(service) as opened:
        return Deferrals(opened).all(limit)


def _item(each: Deferral) -> dict[str, Any]:
    return {
        "item": each.item,
        "reason": each.reason,
        "failures": each.failures,
        "since": each.first_time.isoformat(),
        "next": each.next_time.isoformat(),
    }


def _all_found(queue: str, events: list[str] | None, count: int) -> None:
    if events and count < len(set(events)):
        raise Failure(f"the others are not parked in {queue}; `kehu parked list {queue}` shows what is")


def _json(parked: Parked, *, whole: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {
        "event": parked.id,
        "reason": parked.reason,
        "attempts": parked.attempts,
        "since": parked.since,
        "origin": parked.origin_queue,
    }
    if whole:
        from libs.command.commands.events import decode

        envelope = parked.envelope
        message = decode(envelope) if envelope is not None else None
        told["headers"] = {name: str(value) for name, value in parked.headers.items()}
        told["envelope"] = as_dict(envelope) if envelope is not None else None
        told["data"] = as_dict(message) if message is not None else None
    return told
