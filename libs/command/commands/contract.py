"""`kehu contract` and `kehu entitlement`: what was agreed upon, and what customers are entitled to by it."""

from __future__ import annotations

from datetime import date
from itertools import islice
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, Failure, as_dict, client, console, print_json

contracts = typer.Typer(no_args_is_help=True, help="Contracts: what a customer agreed upon, from when, and until when.")
entitlements = typer.Typer(no_args_is_help=True, help="Entitlements: what customers may have, and which rule gives it.")

CustomerId = Annotated[str, typer.Argument(help="The customer, cus_….")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(contracts, name="contract")
    app.add_typer(entitlements, name="entitlement")


@contracts.command("add")
def add(
    customer_id: CustomerId,
    number: Annotated[str, typer.Argument(help="The number by which people know it; no other contract has it.")],
    *,
    plan: Annotated[str, typer.Option(help="What was agreed upon, a short name such as gold-service.")],
    since: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD; today by default.")] = "",
    until: Annotated[str, typer.Option("--to", help="The last day, YYYY-MM-DD; none by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Record a contract. Whoever has one that runs is an active customer.

    [bold]Example:[/bold] kehu contract add cus_01jd… 2026-117 --plan gold-service --from 2026-01-01 --to 2026-12-31
    """
    draft: dict[str, Any] = {"customer_id": customer_id, "number": number, "plan": plan}
    draft["valid_from_date"] = _day(since, "--from") or date.today()  # noqa: DTZ011  (the day of whoever types)
    draft["valid_to_date"] = _day(until, "--to")
    with client() as connected:
        added = connected.profiles.add_contract(contract=draft)
    _told(added, as_json=as_json)


@contracts.command("end")
def end(
    contract_id: Annotated[str, typer.Argument(help="The contract, ctr_….")],
    on: Annotated[str, typer.Option(help="The last day, YYYY-MM-DD; today by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Give a contract another last day.

    [bold]Example:[/bold] kehu contract end ctr_01jd… --on 2026-12-31
    """
    with client() as connected:
        ended = connected.profiles.end_contract(contract_id=contract_id, end_date=_day(on, "--on"))
    _told(ended, as_json=as_json)


@contracts.command("list")
def show_all(customer_id: CustomerId, as_json: AsJson = False) -> None:
    """List the contracts with a customer, the one that began last first.

    [bold]Example:[/bold] kehu contract list cus_01jd…
    """
    with client() as connected:
        found = list(islice(connected.profiles.list_contracts(customer_id=customer_id, page_size=500), 500))
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    if not found:
        console.print("there is no contract with this customer; `kehu contract add` records one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("number", "plan", "from", "to", "id"):
        table.add_column(heading)
    for each in found:
        last = _text(each.valid_to_date) if each.HasField("valid_to_date") else "no end"
        table.add_row(each.number, each.plan, _text(each.valid_from_date), last, Text(each.id, style="dim"))
    console.print(table)


@entitlements.command("show")
def show(
    customer_id: CustomerId,
    on: Annotated[str, typer.Option(help="The day, YYYY-MM-DD; today by default.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what a customer is entitled to on a day, which rule gives it, and which rules it overrules.

    [bold]Example:[/bold] kehu entitlement show cus_01jd… --on 2026-12-24
    """
    from libs.command.views.standing import allowance
    from libs.command.views.words import name_of, word

    with client() as connected:
        found = connected.profiles.get_entitlements(customer_id=customer_id, on_date=_day(on, "--on"))
    if as_json:
        print_json(as_dict(found))
        return
    if not found.benefits:
        console.print(f"no rule gives anything to this customer on {_text(found.on_date)}")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("benefit", "how much", "by", "why"):
        table.add_column(heading, overflow="fold")
    for each in found.benefits:
        table.add_row(
            Text(each.display_name or each.benefit, style="bold"),
            allowance(each),
            word(name_of(each, "basis")),
            Text(each.explanation),
        )
        for beaten in each.overruled:
            table.add_row("", "", "", Text(f"not {beaten.entitlement_id}: {beaten.explanation}", style="dim"))
    console.print(table)


def _told(contract: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(as_dict(contract))
        return
    until = f"until {_text(contract.valid_to_date)}" if contract.HasField("valid_to_date") else "without an end"
    plan = f"{escape(contract.number)}, {contract.plan}"
    console.print(f"{contract.id}  {plan}, from {_text(contract.valid_from_date)} {until}", soft_wrap=True)


def _day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Failure(f"{option} is written YYYY-MM-DD, for example 2026-12-31, not {text!r}") from None


def _text(day: Any) -> str:
    return f"{day.year:04d}-{day.month:02d}-{day.day:02d}"
