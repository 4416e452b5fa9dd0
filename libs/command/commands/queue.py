"""`kehu queue`: the board of all queues, the work in one, and why whom it went to."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from libs.command.output import AsJson, as_dict, client, console, print_json

queues = typer.Typer(no_args_is_help=True, help="Queues: a board that lives, waits, work and the reasons of decisions.")

QueueId = Annotated[str, typer.Argument(help="The id que_….")]
Days = Annotated[int, typer.Option(min=1, max=31, help="The days until now.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(queues, name="queue")


@queues.command("board")
def board(
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until it is interrupted.")] = False,
    every: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two looks.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show who waits where, for how long, and who is there.

    [bold]Example:[/bold] kehu queue board --follow
    """
    from rich.live import Live

    from libs.command.views import floor

    with client() as connected:

        def look() -> list[Any]:
            return list(connected.interactions.list_queue_states(page_size=500))

        if as_json:
            print_json([as_dict(each) for each in look()])
            return
        if not follow:
            console.print(floor.board(look(), datetime.now(UTC)))
            return
        with Live(floor.board(look(), datetime.now(UTC)), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(floor.board(look(), datetime.now(UTC)), refresh=True)


@queues.command("why")
def why(work_id: Annotated[str, typer.Argument(help="The id work_….")], as_json: AsJson = False) -> None:
    """Show why whom work was offered to: its rank, and what spoke for and against each agent.

    [bold]Example:[/bold] kehu queue why work_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    from libs.command.views import floor

    with client() as connected:
        found = connected.interactions.explain_assignment(work_id=work_id)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(floor.decisions(found))


@queues.command("level")
def level(
    queue_id: QueueId,
    days: Days = 1,
    *,
    work: Annotated[bool, typer.Option("--work", help="Count what went through routing, not calls.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the service level of a queue by tier, with what came of it.

    [bold]Example:[/bold] kehu queue level que_01jd5w3k8e7r9s2t4v6x8y0z1a --days 7
    """
    from libs.command.views import floor

    now = datetime.now(UTC)
    source = "SERVICE_SOURCE_WORK" if work else "SERVICE_SOURCE_CALLS"
    span = {"start_time": now - timedelta(days=days), "end_time": now}
    with client() as connected:
        found = connected.interactions.get_service_level(queue_id=queue_id, source=source, **span)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(floor.level(found))


@queues.command("causes")
def causes(
    queue_id: Annotated[str, typer.Option("--queue", help="Only this queue.")] = "",
    days: Annotated[int, typer.Option(min=1, max=400, help="The days until now.")] = 28,
    as_json: AsJson = False,
) -> None:
    """Show what people came for, the most frequent cause first.

    [bold]Example:[/bold] kehu queue causes --days 90
    """
    from libs.command.views import floor

    now = datetime.now(UTC)
    with client() as connected:
        found = connected.interactions.get_cause_pareto(
            queue_id=queue_id, start_time=now - timedelta(days=days), end_time=now
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(floor.pareto(found))
