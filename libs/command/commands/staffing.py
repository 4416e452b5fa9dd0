"""`kehu staffing`: the agents that calls need, and the calls that are expected."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from libs.command.output import AsJson, Failure, Misuse, as_dict, client, console, print_json
from libs.engine.exits import Exit

staffing = typer.Typer(no_args_is_help=True, help="Staffing: agents for calls by Erlang, forecasts, and their counts.")

Handling = Annotated[float, typer.Option(min=1, help="The mean seconds of a call, with the work after it.")]
Within = Annotated[float, typer.Option(min=0, help="Seconds within which they are answered.")]
Share = Annotated[float, typer.Option(min=0, max=1, help="The share that is answered in time.")]
Shrinkage = Annotated[float, typer.Option(min=0, max=0.95, help="The share of paid time that is not worked.")]
ROWS_AT_ONCE = 1_000


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(staffing, name="staffing")


@staffing.command("plan")
def plan(
    calls: Annotated[list[float], typer.Argument(help="The calls of each half hour, in order.")],
    handling: Handling,
    share: Share = 0.8,
    *,
    within: Within = 20,
    shrinkage: Shrinkage = 0.0,
    patience: Annotated[float, typer.Option(min=0, help="Mean seconds after which callers give up.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Show the agents that calls need, half hour by half hour.

    [bold]Example:[/bold] kehu staffing plan 40 55 61 --handling 180 --shrinkage 0.3
    """
    from libs.command.views import floor

    demand: dict[str, Any] = {"handling_time": handling, **({"patience": patience} if patience else {})}
    with client() as connected:
        found = connected.interactions.plan_staffing(
            demands=[{**demand, "calls": each} for each in calls],
            targets=[{"share": share, "within": within}],
            shrinkage=shrinkage,
        )
    if as_json:
        print_json(as_dict(found))
    else:
        labels = [f"{number // 2:02}:{number % 2 * 30:02}" for number in range(len(calls))]
        console.print(floor.staffing(zip(labels, calls, found.intervals, strict=True), found.agent_hours))


@staffing.command("forecast")
def forecast(
    queue_id: Annotated[str, typer.Argument(help="The id que_….")],
    start: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The first day.")],
    handling: Handling,
    *,
    days: Annotated[int, typer.Option(min=1, max=35, help="The days.")] = 7,
    zone: Annotated[str, typer.Option(help="The time zone of the days.")] = "UTC",
    holiday: Annotated[list[str], typer.Option(help="A holiday, 2026-10-01; may be repeated.")] = [],  # noqa: B006
    shrinkage: Shrinkage = 0.0,
    as_json: AsJson = False,
) -> None:
    """Forecast the calls of a queue from its counts, and the agents they need.

    [bold]Example:[/bold] kehu staffing forecast que_01jd5w3k8e7r9s2t4v6x8y0z1a 2026-09-07 --handling 180
    """
    from libs.command.views import floor

    try:
        holidays = [date.fromisoformat(each) for each in holiday]
    except ValueError as error:
        raise Misuse(f"--holiday: {error}") from error
    with client() as connected:
        found = connected.interactions.forecast_calls(
            queue_id=queue_id,
            start_date=start.date(),
            days=days,
            time_zone=zone,
            holiday_dates=holidays,
            handling_time=handling,
            shrinkage=shrinkage,
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(floor.forecast(found))


@staffing.command("import")
def import_counts(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with start and calls.")],
    queue_id: Annotated[str, typer.Option("--queue", help="The queue, que_….")],
    length: Annotated[int, typer.Option(min=60, max=86_400, help="Seconds of an interval.")] = 1_800,
) -> None:
    """Load counts of calls: columns `start`, an ISO time (UTC without a zone), and `calls`.

    The same interval is recorded once, so an import that was cut off is simply repeated.

    [bold]Example:[/bold] kehu staffing import calls.csv --queue que_01jd5w3k8e7r9s2t4v6x8y0z1a --length 300
    """
    made = known = 0
    with client() as connected, file.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        while some := list(islice(rows, ROWS_AT_ONCE)):
            counts = [_count(row, queue_id, length, rows.line_num) for row in some]
            for row, outcome in zip(
                some, connected.interactions.import_call_counts(counts=counts).outcomes, strict=True
            ):
                if outcome.error.code:
                    raise Failure(f"{row}: {outcome.error.message}", Exit.FAILED)
                made, known = made + outcome.created, known + (not outcome.created)
    console.print(f"{made:,} recorded, {known:,} were there already")


def _count(row: dict[str, str], queue_id: str, length: int, line: int) -> dict[str, Any]:
    try:
        at = datetime.fromisoformat(row["start"])
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return {"queue_id": queue_id, "start_time": at, "length_seconds": length, "offered": int(row["calls"])}
    except (KeyError, ValueError) as error:
        raise Misuse(f"near line {line}: {error}; the columns are start and calls") from error
