"""`kehu lead`: who may become a customer, how promising each is, and what becomes of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.opportunities.v1.leads_pb2 import Lead

leads = typer.Typer(no_args_is_help=True, help="Leads: capturing, judging, giving away and converting them.")

LeadId = Annotated[str, typer.Argument(help="The id lead_….")]
Filter = Annotated[str, typer.Option("--filter", help="An AIP-160 filter, for example 'state = NEW'.")]
Note = Annotated[str, typer.Option(help="More about it.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(leads, name="lead")


@leads.command("capture")
def capture(
    source: Annotated[str, typer.Argument(help="Where it comes from, for example web.")],
    key: Annotated[str, typer.Argument(help="Its key there, the same for ever.")],
    *,
    name: Annotated[str, typer.Option(help="The name.")] = "",
    email: Annotated[str, typer.Option(help="The mailbox.")] = "",
    phone: Annotated[str, typer.Option(help="The telephone number, with +.")] = "",
    territory: Annotated[str, typer.Option(help="The territory.")] = "",
    as_json: AsJson = False,
) -> None:
    """Capture a lead. The same source and key make nothing twice.

    [bold]Example:[/bold] kehu lead capture web 4711 --name "Ada Lovelace" --email ada@example.com
    """
    points = [("TYPE_EMAIL", email), ("TYPE_PHONE", phone)]
    draft: dict[str, Any] = {"source": source, "source_key": key, "display_name": name, "territory": territory}
    draft["contact_points"] = [{"type": kind, "value": value} for kind, value in points if value]
    with client() as connected:
        _tell(connected.opportunities.capture_lead(lead=draft), as_json=as_json)


@leads.command("list")
def list_leads(
    filter: Filter = "",
    best: Annotated[bool, typer.Option("--best", help="The most promising first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List leads, the newest or the most promising first.

    [bold]Example:[/bold] kehu lead list --filter "state = NEW" --best
    """
    from itertools import islice

    from libs.command.views.words import name_of, word

    order = "LEAD_ORDER_BEST" if best else "LEAD_ORDER_NEWEST"
    with client() as connected:
        found = list(islice(connected.opportunities.list_leads(filter=filter, order=order), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "source", "state", "chance", "owner", "id"):
        table.add_column(column, justify="right" if column == "chance" else "left")
    for each in found:
        chance = f"{each.probability_basis_points / 100:.1f} %" if each.probability_basis_points else "–"
        state = word(name_of(each, "state"))
        table.add_row(each.display_name or each.source_key, each.source, state, chance, each.owner, each.id)
    console.print(table)


@leads.command("show")
def show(lead_id: LeadId, as_json: AsJson = False) -> None:
    """Show a lead, how promising it is and why.

    [bold]Example:[/bold] kehu lead show lead_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        lead = connected.opportunities.get_lead(lead_id=lead_id)
        score = connected.opportunities.get_lead_score(lead_id=lead_id)
    if as_json:
        print_json({"lead": as_dict(lead), "score": as_dict(score)})
        return
    _tell(lead, as_json=False)
    for factor in score.factors:
        sign = "green" if factor.weight > 0 else "red"
        console.print(f"  [{sign}]{factor.weight:+.2f}[/{sign}]  {factor.attribute} = {factor.value}")
    console.print(f"  engagement {score.engagement:.1f} from {score.touches} touches", style="dim")


@leads.command("assign")
def assign(
    lead_id: LeadId, owner: Annotated[str, typer.Argument(help="Who answers for it.")], as_json: AsJson = False
) -> None:
    """Give a lead to somebody by hand.

    [bold]Example:[/bold] kehu lead assign lead_01jd5w3k8e7r9s2t4v6x8y0z1a ann
    """
    with client() as connected:
        _tell(connected.opportunities.assign_lead(lead_id=lead_id, owner=owner), as_json=as_json)


@leads.command("attempt")
def attempt(lead_id: LeadId, as_json: AsJson = False) -> None:
    """Record an attempt to reach a lead, now.

    [bold]Example:[/bold] kehu lead attempt lead_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.opportunities.contact_lead(lead_id=lead_id), as_json=as_json)


@leads.command("qualify")
def qualify(lead_id: LeadId, note: Note = "", as_json: AsJson = False) -> None:
    """Record that a lead is worth an opportunity.

    [bold]Example:[/bold] kehu lead qualify lead_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.opportunities.qualify_lead(lead_id=lead_id, note=note), as_json=as_json)


@leads.command("disqualify")
def disqualify(
    lead_id: LeadId,
    reason: Annotated[str, typer.Argument(help="no-need, no-budget, unreachable, duplicate, spam, …")],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Give a lead up, with the reason.

    [bold]Example:[/bold] kehu lead disqualify lead_01jd5w3k8e7r9s2t4v6x8y0z1a no-budget
    """
    word = f"DISQUALIFY_REASON_{reason.upper().replace('-', '_')}"
    with client() as connected:
        _tell(connected.opportunities.disqualify_lead(lead_id=lead_id, reason=word, note=note), as_json=as_json)


@leads.command("recycle")
def recycle(
    lead_id: LeadId,
    until: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The day on which it comes back (UTC).")],
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Lay a lead aside until a date, when it comes back as a new one.

    [bold]Example:[/bold] kehu lead recycle lead_01jd5w3k8e7r9s2t4v6x8y0z1a 2027-01-15
    """
    back = until.replace(tzinfo=UTC)
    with client() as connected:
        _tell(connected.opportunities.recycle_lead(lead_id=lead_id, recycle_time=back, note=note), as_json=as_json)


@leads.command("convert")
def convert(
    lead_id: LeadId,
    pipeline: Annotated[str, typer.Option(help="The pipeline of the deal, pipe_….")],
    *,
    name: Annotated[str, typer.Option(help="The name of the deal.")] = "",
    customer: Annotated[str, typer.Option(help="The customer that the lead is, cus_….")] = "",
    anyway: Annotated[bool, typer.Option("--anyway", help="Make a customer although some are alike.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only tell which customers are alike.")] = False,
    as_json: AsJson = False,
) -> None:
    """Convert a lead into a deal of its customer, or go on with a conversion that was interrupted.

    [bold]Example:[/bold] kehu lead convert lead_01jd5w3k8e7r9s2t4v6x8y0z1a --pipeline pipe_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    wanted = {"pipeline_id": pipeline, "deal_name": name, "customer_id": customer, "create_anyway": anyway}
    with client() as connected:
        if preview:
            alike = connected.opportunities.preview_conversion(lead_id=lead_id).customers
            print_json([as_dict(each) for each in alike])
            return
        _tell(connected.opportunities.convert_lead(lead_id=lead_id, conversion=wanted), as_json=as_json)


@leads.command("undo")
def undo(lead_id: LeadId, as_json: AsJson = False) -> None:
    """Undo a conversion: the lead is open again, its deal is lost.

    [bold]Example:[/bold] kehu lead undo lead_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.opportunities.undo_conversion(lead_id=lead_id), as_json=as_json)


@leads.command("learn")
def learn(form_id: Annotated[str, typer.Argument(help="The form, form_….")]) -> None:
    """Learn from the closed leads of a form. Prints the operation; `kehu operation` follows it.

    [bold]Example:[/bold] kehu lead learn form_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        print_json(as_dict(connected.opportunities.learn_lead_model(lead_form_id=form_id)))


@leads.command("export")
def export(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write, one JSON object a line.")],
    filter: Filter = "",
) -> None:
    """Write leads into a file that only its owner may read.

    [bold]Example:[/bold] kehu lead export leads.jsonl --filter "state = CONVERTED"
    """
    count = 0
    file.touch(mode=0o600)
    with client() as connected, file.open("w", encoding="utf-8") as out:
        for each in connected.opportunities.list_leads(filter=filter, page_size=500):
            out.write(json.dumps(as_dict(each), ensure_ascii=False) + "\n")
            count += 1
    console.print(f"{count:,} leads in {file}")


def _tell(lead: Lead, *, as_json: bool) -> None:
    from libs.command.views.words import name_of, word

    if as_json:
        print_json(as_dict(lead))
        return
    text = Text(lead.display_name or lead.source_key, style="bold")
    text.append(f"  {word(name_of(lead, 'state'))}", style="cyan")
    text.append(f"  {lead.source}")
    if lead.probability_basis_points:
        text.append(f"  {lead.probability_basis_points / 100:g} %")
    text.append(f"  {lead.owner}  ")
    text.append(lead.id, style="dim")
    if lead.conversion.deal_id and lead.customer_id:
        text.append(f"  → {lead.conversion.deal_id} of {lead.customer_id}", style="green")
    console.print(text)
