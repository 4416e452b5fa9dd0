"""`kehu pipeline`: the stages that deals go through, and the board."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, Failure, as_dict, client, console, print_json

pipelines = typer.Typer(no_args_is_help=True, help="Pipelines: the stages that deals go through, and the board.")

PipelineId = Annotated[str, typer.Argument(help="The id pipe_….")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(pipelines, name="pipeline")


@pipelines.command("create")
def create(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TOML file with the pipeline.")],
    as_json: AsJson = False,
) -> None:
    """Create a pipeline from a TOML file: display_name, currency_code, time_zone and [[stages]].

    [bold]Example:[/bold] kehu pipeline create direct.toml
    """
    with client() as connected:
        created = connected.opportunities.create_pipeline(pipeline=_read(file))
    if as_json:
        print_json(as_dict(created))
    else:
        console.print(f"{created.id}  {created.display_name}; `kehu pipeline board {created.id}` shows it")


@pipelines.command("list")
def show_all(as_json: AsJson = False) -> None:
    """List the pipelines.

    [bold]Example:[/bold] kehu pipeline list
    """
    with client() as connected:
        found = list(connected.opportunities.list_pipelines(page_size=500))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    if not found:
        console.print("there is none; `kehu pipeline create` makes one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("pipeline", "version", "stages", "id"):
        table.add_column(heading)
    for each in found:
        stages = " → ".join(stage.key for stage in each.stages)
        table.add_row(Text(each.display_name, style="bold"), str(each.version), stages, Text(each.id, style="dim"))
    console.print(table)


@pipelines.command("board")
def board(
    pipeline_id: PipelineId,
    limit: Annotated[int, typer.Option(help="Cards of a stage at most.", min=1, max=50)] = 6,
    owner: Annotated[str, typer.Option(help="Only the deals of this owner.")] = "",
    period: Annotated[str, typer.Option(help="The period of the forecast below; this year when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the board: stages as columns, the latest deals as cards, late ones in red.

    [bold]Example:[/bold] kehu pipeline board pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --limit 4
    """
    from libs.command.views import board as views

    now = datetime.now(UTC)
    with client() as connected:
        found = connected.opportunities.get_board(
            pipeline_id=pipeline_id, period=period or str(now.year), owner=owner, cards=limit
        )
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(views.board(found, now))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Failure(f"{file} is not TOML: {error}") from error
