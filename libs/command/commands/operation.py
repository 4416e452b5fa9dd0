"""`kehu operation`: long work, watched and cancelled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from libs.command.output import AsJson, Failure, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.common.v1.operation_pb2 import Operation

    from libs.client.client import Client

operations = typer.Typer(no_args_is_help=True, help="Long work: how far it is, what came out, and cancelling it.")

Id = Annotated[str, typer.Argument(help="The id, op_….")]
LOOK_EVERY: Final = 0.5


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(operations, name="operation")


@operations.command("list")
def show_all(
    kind: Annotated[str, typer.Option(help="Only this kind, for example evaluate_tiers.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1, max=500)] = 20,
    as_json: AsJson = False,
) -> None:
    """List long work, the newest first."""
    with client() as connected:
        filter = f'kind = "{kind}"' if kind else ""
        page = next(connected.profiles.list_operations(filter=filter, page_size=limit).pages)
        found = list(page.operations)
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    table = Table("operation", "kind", "state", "progress", "asked for", "by", box=None, header_style="bold")
    for each in found:
        asked = each.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(each.id, each.kind, state(each), progress(each), asked, each.started_by)
    console.print(table if found else "There is none.")


@operations.command("planned")
def planned(as_json: AsJson = False) -> None:
    """List the work that is started again and again, as --every of `kehu worth lifecycles` or `kehu pool run` plans it.

    [bold]Example:[/bold] kehu operation planned
    """
    from libs.command.views.words import moment

    with client() as connected:
        found = connected.profiles.get_schedules().schedules
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    table = Table("kind", "every", "next", "by", box=None, header_style="bold")
    for each in found:
        table.add_row(each.kind, f"{each.every_days} days", moment(each.next_time), each.planned_by)
    console.print(table if found else "Nothing is planned.")


@operations.command("watch")
def watch(operation_id: Id, as_json: AsJson = False) -> None:
    """Follow an operation with a progress bar until it ends. Fails when it failed or was cancelled."""
    with client(patient=True) as connected:
        ended = follow(connected, operation_id, quiet=as_json)
    if as_json:
        print_json(as_dict(ended))


@operations.command("cancel")
def cancel(operation_id: Id) -> None:
    """Cancel an operation. What it has written by now stays."""
    with client() as connected:
        asked = connected.profiles.cancel_operation(operation_id=operation_id)
    console.print(f"{asked.id} is {state(asked)}" + (", and ends at its next step" if asked.cancel_requested else ""))


def follow(connected: Client, operation_id: str, *, quiet: bool = False, service: str = "profiles") -> Operation:
    """The operation of a service at its end. Failure when it did not succeed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("waits for a worker", total=None)
        while True:
            now: Operation = getattr(connected, service).get_operation(operation_id=operation_id)
            bar.update(task, description=f"{now.kind} {state(now)}", completed=now.done, total=now.total or None)
            if now.HasField("end_time"):
                break
            time.sleep(LOOK_EVERY)
    if now.HasField("error"):
        raise Failure(f"{now.kind} failed: {now.error.message}")
    if state(now) == "cancelled":
        raise Failure(f"{now.kind} was cancelled after {progress(now)}")
    return now


def state(operation: Operation) -> str:
    """`succeeded`, and so on."""
    return operation.State.Name(operation.state).removeprefix("STATE_").lower()


def progress(operation: Operation) -> str:
    """`120 of 400`, or nothing while nothing is known."""
    return f"{operation.done:,} of {operation.total:,}" if operation.total else ""
