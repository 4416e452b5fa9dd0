"""`kehu import`: loads files. Every row once, however often it is interrupted or repeated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from libs.command.output import AsJson, Failure, client, console, print_json
from libs.engine.exits import Exit

if TYPE_CHECKING:
    from libs.command.imports.mapping import RowMapping
    from libs.command.imports.progress import Counts

loads = typer.Typer(
    no_args_is_help=True,
    help="""Load CSV or JSON-lines files (also .gz) of customers, transactions, interactions, cases, complaints, deals
    or leads.

    A mapping file (TOML) says which column fills which field; [bold]libs/command/mappings[/bold] holds examples, which
    are also found by their names. Rows are recognised when they come again, so a load that was interrupted, even by
    kill -9, is simply run again. Rows that are refused go to a reject file, with the field and the reason.

    Files of spreadsheets: UTF-8, UTF-16 and the delimiter of the header line are seen; the mapping says anything else
    ([bold]encoding = "gb18030"[/bold], [bold]delimiter = ";"[/bold], [bold]decimal = ","[/bold] for 12,50).

    [bold]Example:[/bold] public data, loaded in this order

      kehu import customers    purchases.csv --mapping cdnow_customers\n
      kehu import transactions purchases.csv --mapping cdnow_transactions
    """,
)

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A .csv or .jsonl file, or .gz.")
]
MappingFile = Annotated[Path, typer.Option("--mapping", help="A mapping file, or the name of a shipped one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Convert every row and report, but send nothing.")]
RejectFile = Annotated[
    Path | None, typer.Option("--rejects", help="Where refused rows go; default: FILE.rejected.csv here.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(loads, name="import")


@loads.command("customers")
def customers(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load customers. A row is named by the `key` of the mapping, or else by the file and its number.

    [bold]Example:[/bold] kehu import customers clients.csv --mapping clients.toml --dry-run
    """
    _load("customers", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("transactions")
def transactions(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load transactions. The key of a row becomes its `source_key`.

    [bold]Example:[/bold] kehu import transactions purchases.csv.gz --mapping cdnow_transactions
    """
    _load("transactions", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("interactions")
def interactions(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load interactions of the past. The key of a row becomes its `external_key`.

    [bold]Example:[/bold] kehu import interactions complaints.csv.gz --mapping cfpb_complaints
    """
    _load("interactions", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("cases")
def cases(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load cases of the past, with the states that they went through. The key of a row is its `source_key`.

    [bold]Example:[/bold] kehu import cases incidents.csv --mapping desk_cases
    """
    _load("cases", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("complaints")
def complaints(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load complaints of the past, each with a case of its own. The key of a row is its `source_key`.

    [bold]Example:[/bold] kehu import complaints complaints.csv.gz --mapping bureau_complaints
    """
    _load("complaints", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("deals")
def deals(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load deals of the past, with when they were opened and how they ended. The key of a row is its `source_key`.

    [bold]Example:[/bold] kehu import deals sales.csv --mapping sales_deals
    """
    _load("deals", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("leads")
def leads(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load leads, perhaps with how they ended. The key of a row is its `source_key`.

    [bold]Example:[/bold] kehu import leads campaign.csv --mapping bank_leads
    """
    _load("leads", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


@loads.command("responses")
def responses(
    file: File, mapping: MappingFile, rejects: RejectFile = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Load responses of the past to a survey that was launched. The key of a row is its `source_key`.

    [bold]Example:[/bold] kehu import responses airport.csv --mapping sfo_responses
    """
    _load("responses", file, mapping, rejects, dry_run=dry_run, as_json=as_json)


def _load(entity: str, file: Path, mapping_file: Path, rejects: Path | None, *, dry_run: bool, as_json: bool) -> None:
    from libs.client.errors import Unavailable
    from libs.client.stack import Stack
    from libs.command.imports import loading, rows, targets
    from libs.command.imports.mapping import MappingError, load

    try:
        mapping = load(mapping_file)
        if mapping.entity != entity:
            raise Failure(f"{mapping_file} is a mapping for {mapping.entity}: use `kehu import {mapping.entity}`")
        reject_file = rejects or Path(f"{file.name.removesuffix('.gz')}.rejected.csv")
        started = time.monotonic()
        with client(patient=True, timeout=30) as connected, _bar(file, quiet=as_json) as bar:
            task = bar.add_task("", total=None if bar.disable else _count(file, mapping))
            counts = loading.load(
                file,
                mapping,
                targets.target(connected, entity),
                tenant=Stack.find().token_tenant,
                reject_file=reject_file,
                dry_run=dry_run,
                advanced=lambda counts: bar.update(task, completed=counts.rows),
            )
    except (MappingError, rows.FileError) as error:
        raise Failure(str(error)) from error
    except Unavailable as error:
        raise Failure(
            f"the service went away ({error.message}); nothing is lost: run the same command again"
        ) from error
    _report(counts, reject_file, time.monotonic() - started, dry_run=dry_run, as_json=as_json)
    if counts.rejected:
        raise typer.Exit(Exit.FAILED)


def _count(file: Path, mapping: RowMapping) -> int:
    from libs.command.imports.rows import open_rows

    return sum(1 for _ in open_rows(file, mapping))


def _bar(file: Path, *, quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn(file.name),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    )


def _report(counts: Counts, reject_file: Path, seconds: float, *, dry_run: bool, as_json: bool) -> None:
    rate = round(counts.rows / seconds) if seconds else 0
    if as_json:
        print_json(
            {
                "rows": counts.rows,
                "accepted": counts.accepted,
                "repeated": counts.repeated,
                "rejected": counts.rejected,
                "rows_per_second": rate,
                "rejects": str(reject_file) if counts.rejected else None,
            }
        )
        return
    table = Table(box=None, pad_edge=False)
    for name in ("rows", "would be sent" if dry_run else "accepted", "repeated", "rejected", "rows/s"):
        table.add_column(name, justify="right")
    table.add_row(*(f"{n:,}" for n in (counts.rows, counts.accepted, counts.repeated, counts.rejected, rate)))
    console.print(table)
    if counts.rejected:
        console.print(
            f"[red]{counts.rejected:,} rows were refused[/red]: {reject_file} says why; mend them and load them again"
        )
