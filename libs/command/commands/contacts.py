"""`kehu timeline` and `kehu context`: what was said, and what whoever picks up next must know."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from libs.command.backstage import instant
from libs.command.output import AsJson, as_dict, client, console, print_json


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("timeline")(timeline)
    app.command("context")(context)


def timeline(
    customer_id: Annotated[str, typer.Argument(help="The id, cus_….")],
    *,
    channel: Annotated[list[str] | None, typer.Option(help="Only this channel, for example voice; repeatable.")] = None,
    since: Annotated[str, typer.Option(help="Only contacts from this time on, for example 2024-05-17.")] = "",
    limit: Annotated[int, typer.Option(help="How many at most.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Then wait for new ones, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the interactions with a customer on every channel, the latest first.

    [bold]Examples:[/bold]

      kehu timeline cus_01jd… --channel voice --channel email --since 2024-01-01\n
      kehu timeline cus_01jd… --follow
    """
    channels = [name.upper().replace("-", "_") for name in channel or ()]
    with client(patient=follow) as connected:
        watch = connected.interactions.watch_timeline(customer_id=customer_id) if follow else None
        if watch is not None:
            next(watch)  # the checkpoint: what comes later is on the stream, what came before in the list
        listed = connected.interactions.list_timeline(
            customer_id=customer_id, channels=channels, start_time=instant(since), page_size=min(limit, 500)
        )
        found = list(islice(listed, limit))
        if as_json and watch is None:
            print_json([as_dict(interaction) for interaction in found])
            return
        for interaction in reversed(found) if follow else found:
            _print(interaction, as_json=as_json)
        if not found and not as_json:
            console.print("[dim]no contacts[/dim]")
        for message in watch or ():
            change = message.WhichOneof("change")
            if change is None or (channels and not _on(message, channels)):
                continue
            _print(getattr(message, change), as_json=as_json)


def context(
    customer_id: Annotated[str, typer.Argument(help="The id, cus_….")],
    as_json: AsJson = False,
) -> None:
    """Show all that whoever picks up next must know: wishes, waiting, promises, open conversations, last contacts.

    [bold]Example:[/bold] kehu context cus_01jd…
    """
    with client() as connected:
        found = connected.interactions.get_context(customer_id=customer_id)
    if as_json:
        print_json(as_dict(found))
        return
    from libs.command.views.timeline import context_panel

    console.print(context_panel(found, datetime.now(UTC)))


def _print(change: Any, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(as_dict(change), ensure_ascii=False))
        return
    from libs.command.views.timeline import change_line

    console.print(change_line(change, datetime.now(UTC)), soft_wrap=True)


def _on(message: Any, channels: list[str]) -> bool:
    from libs.command.views.words import name_of

    return message.WhichOneof("change") == "interaction" and name_of(message.interaction, "channel") in channels
