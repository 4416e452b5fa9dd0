"""`kehu forecast`: what deals will bring, and how closed ones ended."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

forecasts = typer.Typer(no_args_is_help=True, help="Forecasts: what deals will bring, and how closed ones ended.")

PipelineId = Annotated[str, typer.Argument(help="The id pipe_….")]
Period = Annotated[str, typer.Option(help="2026, 2026-Q2 or 2026-05; this quarter when left out.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(forecasts, name="forecast")


@forecasts.command("show")
def show(
    pipeline_id: PipelineId,
    period: Period = "",
    owner: Annotated[str, typer.Option(help="Only what is this owner's.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a period brings: closed, open by category, and slipped deals apart.

    [bold]Example:[/bold] kehu forecast show pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026-Q2
    """
    from libs.command.views import board

    start, end = days(period)
    with client() as connected:
        found = connected.opportunities.get_forecast(
            pipeline_id=pipeline_id, start_date=start, end_date=end, owner=owner
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(board.forecast(found))


@forecasts.command("report")
def report(
    pipeline_id: PipelineId,
    period: Period = "",
    by: Annotated[str, typer.Option(help="owner, team, territory, product or channel.")] = "all",
    *,
    monthly: Annotated[bool, typer.Option("--monthly", help="Tell months apart.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how deals ended that were closed within a period.

    [bold]Example:[/bold] kehu forecast report pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --period 2026 --by owner --monthly
    """
    from libs.command.views import board

    start, end = days(period)
    with client() as connected:
        found = connected.opportunities.get_sales_report(
            pipeline_id=pipeline_id, start_date=start, end_date=end, dimension=by.upper(), by_month=monthly
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(board.report(found))


def days(period: str) -> tuple[date, date]:
    """The first and the last day of a period. Misuse for what is none."""
    today = datetime.now(UTC).date()
    text = period or f"{today.year}-Q{(today.month + 2) // 3}"
    found = re.fullmatch(r"(\d{4})(?:-Q([1-4])|-(0[1-9]|1[0-2]))?", text)
    if found is None or int(found[1]) == 0:
        raise Misuse(f"{period!r} is no period; say 2026, 2026-Q2 or 2026-05")
    year = int(found[1])
    first, months = (1, 12)
    if found[2]:
        first, months = int(found[2]) * 3 - 2, 3
    elif found[3]:
        first, months = int(found[3]), 1
    last = first + months
    end = date(year + (last > 12), (last - 1) % 12 + 1, 1) if year < 9999 or last <= 12 else date.max
    return date(year, first, 1), end if end == date.max else end - timedelta(days=1)
