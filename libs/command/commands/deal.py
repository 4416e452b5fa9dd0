"""`kehu deal`: what a customer may buy, where it stands, and how it came there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.opportunities.v1.deals_pb2 import Deal

deals = typer.Typer(no_args_is_help=True, help="Deals: opening, moving, winning and losing them, and their history.")

DealId = Annotated[str, typer.Argument(help="The id deal_….")]
Filter = Annotated[str, typer.Option("--filter", help="An AIP-160 filter, for example 'state = OPEN'.")]
Waive = Annotated[bool, typer.Option("--waive", help="Waive what the stage asks for; needs a scope of its own.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(deals, name="deal")


@deals.command("open")
def open_deal(
    name: Annotated[str, typer.Argument(help="The name for people.")],
    pipeline: Annotated[str, typer.Option(help="The pipeline, pipe_….")],
    *,
    customer: Annotated[str, typer.Option(help="The customer, cus_….")] = "",
    amount: Annotated[str, typer.Option(help="What it brings once, for example 1200.50.")] = "",
    currency: Annotated[str, typer.Option(help="Its currency; that of the pipeline when left out.")] = "",
    close: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day it is expected.")] = None,
    as_json: AsJson = False,
) -> None:
    """Open a deal in the first stage of a pipeline.

    [bold]Example:[/bold] kehu deal open "Hundred chairs" --pipeline pipe_01jd5w3k8e7r9s2t4v6x8y0z1a --amount 1200.50
    """
    draft: dict[str, Any] = {"display_name": name, "pipeline_id": pipeline, "customer_id": customer}
    with client() as connected:
        if amount:
            code = currency or connected.opportunities.get_pipeline(pipeline_id=pipeline).currency_code
            draft["amount"] = _money(amount, code)
        if close is not None:
            draft["close_date"] = close.date()
        _tell(connected.opportunities.create_deal(deal=draft), as_json=as_json)


@deals.command("show")
def show(deal_id: DealId, as_json: AsJson = False) -> None:
    """Show a deal.

    [bold]Example:[/bold] kehu deal show deal_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.opportunities.get_deal(deal_id=deal_id), as_json=as_json)


@deals.command("move")
def move(
    deal_id: DealId,
    stage: Annotated[str, typer.Argument(help="The key of the stage.")],
    *,
    preview: Annotated[bool, typer.Option("--preview", help="Only tell what is missing.")] = False,
    waive: Waive = False,
    as_json: AsJson = False,
) -> None:
    """Move a deal to another open stage, or tell what it lacks.

    [bold]Example:[/bold] kehu deal move deal_01jd5w3k8e7r9s2t4v6x8y0z1a offer --preview
    """
    from libs.command.views import board

    with client() as connected:
        if not preview:
            moved = connected.opportunities.move_stage(deal_id=deal_id, stage=stage, waive=waive)
            _tell(moved, as_json=as_json)
            return
        found = connected.opportunities.preview_move(deal_id=deal_id, stage=stage)
    if as_json:
        print_json(as_dict(found))
    else:
        console.print(board.lacking(found))


@deals.command("win")
def win(deal_id: DealId, waive: Waive = False, as_json: AsJson = False) -> None:
    """Record that a deal was won.

    [bold]Example:[/bold] kehu deal win deal_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.opportunities.win_deal(deal_id=deal_id, waive=waive), as_json=as_json)


@deals.command("lose")
def lose(
    deal_id: DealId,
    reason: Annotated[str, typer.Argument(help="price, competitor, product, timing, no-decision, …")],
    to: Annotated[str, typer.Option(help="The competitor that won it.")] = "",
    note: Annotated[str, typer.Option(help="More about it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Record that a deal was lost, and why.

    [bold]Example:[/bold] kehu deal lose deal_01jd5w3k8e7r9s2t4v6x8y0z1a competitor --to Rival
    """
    word = reason.upper().replace("-", "_")
    with client() as connected:
        lost = connected.opportunities.lose_deal(deal_id=deal_id, lost_reason=word, lost_to=to, lost_note=note)
        _tell(lost, as_json=as_json)


@deals.command("reopen")
def reopen(
    deal_id: DealId,
    stage: Annotated[str, typer.Option(help="The stage to go on in; the first one when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Go on with a closed deal.

    [bold]Example:[/bold] kehu deal reopen deal_01jd5w3k8e7r9s2t4v6x8y0z1a --stage offer
    """
    with client() as connected:
        _tell(connected.opportunities.reopen_deal(deal_id=deal_id, stage=stage), as_json=as_json)


@deals.command("history")
def history(
    deal_id: DealId,
    as_of: Annotated[
        list[datetime] | None,
        typer.Option("--as-of", help="Rebuild what it was at this time (UTC). May be given several times."),
    ] = None,
    known: Annotated[datetime | None, typer.Option(help="As far as it was known at this time (UTC).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every change of a deal, or rebuild what it was at some times as it was known at another.

    [bold]Examples:[/bold]

      kehu deal history deal_01jd5w3k8e7r9s2t4v6x8y0z1a\n
      kehu deal history deal_01jd5w3k8e7r9s2t4v6x8y0z1a --as-of 2026-03-31 --as-of 2026-06-30
    """
    from libs.command.views import board

    with client() as connected:
        if as_of or known is not None:
            times = [each.replace(tzinfo=UTC) for each in as_of or ()] or [datetime.now(UTC)]
            asked = {"known_time": known.replace(tzinfo=UTC)} if known is not None else {}
            past = [
                (at, connected.opportunities.get_deal_facts(deal_id=deal_id, effective_time=at, **asked))
                for at in times
            ]
            if as_json:
                print_json([as_dict(each) for _, each in past])
            else:
                console.print(*(board.facts(each, at) for at, each in past), sep="\n")
            return
        changes = list(connected.opportunities.list_deal_changes(deal_id=deal_id, page_size=500))
    if as_json:
        print_json([as_dict(each) for each in changes])
    else:
        console.print(board.history(changes))


@deals.command("list")
def list_deals(
    filter: Filter = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List deals, the latest opened first.

    [bold]Example:[/bold] kehu deal list --filter "state = OPEN"
    """
    from libs.command.views import board

    with client() as connected:
        found = list(islice(connected.opportunities.list_deals(filter=filter, page_size=min(limit, 500)), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(board.deals(found))


@deals.command("export")
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write, one JSON object a line.")],
    filter: Filter = "",
) -> None:
    """Write deals into a file that only its owner may read.

    [bold]Example:[/bold] kehu deal export deals.jsonl --filter "state = WON"
    """
    count = 0
    file.touch(mode=0o600)
    with client() as connected, file.open("w", encoding="utf-8") as out:
        for each in connected.opportunities.list_deals(filter=filter, page_size=500):
            out.write(json.dumps(as_dict(each), ensure_ascii=False) + "\n")
            count += 1
    console.print(f"{count:,} deals in {file}")


def _money(text: str, currency: str) -> object:
    from libs.client.values import to_money

    try:
        return to_money(Decimal(text), currency)
    except (InvalidOperation, ValueError) as error:
        raise Misuse(f"--amount {text} is no amount of {currency}: {error}") from error


def _tell(deal: Deal, *, as_json: bool) -> None:
    from libs.command.views.board import money
    from libs.command.views.words import name_of, word

    if as_json:
        print_json(as_dict(deal))
        return
    text = Text(deal.display_name or "(erased)", style="bold")
    text.append(f"  {word(name_of(deal, 'state'))} in {deal.stage}", style="cyan")
    if deal.HasField("amount"):
        text.append(f"  {money(deal.amount.minor_units, deal.amount.currency_code)}")
    text.append(f"  {deal.probability_basis_points / 100:g} %  {deal.owner}  ")
    text.append(deal.id, style="dim")
    console.print(text)
