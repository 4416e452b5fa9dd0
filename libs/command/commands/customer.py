"""`kehu customer`: find people, look at them, see what changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, Failure, as_dict, client, console, explain, print_json

if TYPE_CHECKING:
    from kehu.profiles.v1.customer_pb2 import Customer

    from libs.client.client import Client
    from libs.command.views.card import Card

customers = typer.Typer(no_args_is_help=True, help="Find customers, look at their cards, see what changed.")

SECTIONS = ("TRANSACTIONS", "SEGMENTS", "OWNERSHIP", "ENTITLEMENTS")
"""Of `GetCustomer360`, what a card shows."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(customers, name="customer")


@customers.command("show")
def show(
    customer_id: Annotated[str, typer.Argument(help="The id, cus_….")] = "",
    *,
    external: Annotated[str, typer.Option(help="The id in another system, SYSTEM:ID.")] = "",
    phone: Annotated[str, typer.Option(help="A telephone number in any spelling; see --region.")] = "",
    email: Annotated[str, typer.Option(help="A mail address.")] = "",
    region: Annotated[str, typer.Option(help="Where a number without + is dialled, for example CN.")] = "CN",
    as_json: AsJson = False,
) -> None:
    """Show the card of a customer: how to reach and how not to, what was bought, what was said and promised.

    [bold]Examples:[/bold]

      kehu customer show cus_01jd…\n
      kehu customer show --external cdnow:0001\n
      kehu customer show --phone 138-0013-8000
    """
    ways = {"ID": customer_id, "--external": external, "--phone": phone, "--email": email}
    with client() as connected:
        for found in _find(connected, ways, region):
            if customer_id and found.id != customer_id and not as_json:
                console.print(f"{customer_id} was merged into {found.id}", soft_wrap=True)
            card = fetch(connected, found)
            if as_json:
                print_json(_card_json(card))
            else:
                from libs.command.views.card import render

                console.print(render(card, datetime.now(UTC)))


@customers.command("find")
def find(
    text: Annotated[str, typer.Argument(help="How a name begins: 张, zhang s, zs, lovel.")],
    limit: Annotated[int, typer.Option(help="How many at most, up to 50.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Find customers by how a name begins: characters, pinyin in full or in initials, any case and accents.

    [bold]Examples:[/bold] kehu customer find 王 · kehu customer find wxm
    """
    with client() as connected:
        found = connected.profiles.search_customers(query=text, page_size=limit).customers
    if as_json:
        print_json([as_dict(customer) for customer in found])
        return
    if not found:
        console.print(f"no name begins with {escape(text)!r}; try fewer letters")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("name", "", "lifecycle", "reach"):
        table.add_column(heading)
    table.add_column("id", no_wrap=True, min_width=30)
    from libs.command.views.words import name_of, word

    for customer in found:
        table.add_row(
            Text(customer.display_name, style="bold"),
            Text(next((name.pinyin for name in customer.names if name.pinyin), ""), style="dim"),
            word(name_of(customer, "lifecycle")),
            next((point.canonical for point in customer.contact_points if point.primary), ""),
            Text(customer.id, style="dim"),
        )
    console.print(table)


@customers.command("history")
def history(
    customer_id: Annotated[str, typer.Argument(help="The id, cus_….")],
    limit: Annotated[int, typer.Option(help="How many changes at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show who changed what and when, the latest change first.

    [bold]Example:[/bold] kehu customer history cus_01jd… --limit 5
    """
    from itertools import islice

    with client() as connected:
        pager = connected.profiles.list_customer_changes(customer_id=customer_id, page_size=min(limit, 500))
        changes = list(islice(pager, limit))
    if as_json:
        print_json([as_dict(change) for change in changes])
        return
    from libs.command.views.changes import lines
    from libs.command.views.words import moment

    for change in changes:
        console.print(
            f"[bold]{moment(change.change_time)}[/bold]  revision {change.revision}  "
            f"{escape(change.actor)}  [dim]{change.event_type}[/dim]",
            soft_wrap=True,
        )
        for part in change.fields:
            for line in lines(part.field, part.before, part.after):
                console.print(line, soft_wrap=True)


def fetch(connected: Client, customer: Customer) -> Card:
    """Everything a card shows. What a service refuses or does not answer is told on the card instead."""
    from libs.client.errors import KehuError, NotFound
    from libs.command.commands.worth import fetch as fetch_worth
    from libs.command.views.card import Card
    from libs.command.views.words import name_of, word

    missing: list[str] = []

    def attempt(what: str, call: Any, **fields: Any) -> Any:
        try:
            return call(customer_id=customer.id, **fields)
        except NotFound:
            missing.append(f"{what} could not be fetched: nothing has been heard of this customer there yet")
            return None
        except KehuError as error:
            missing.append(f"{what} could not be fetched: {explain(error)}")
            return None

    def worth_of(*, customer_id: str) -> Any:
        return fetch_worth(connected, customer_id)

    view = attempt("the profile", connected.profiles.get_customer360, sections=SECTIONS)
    missing += [
        f"{word(name_of(partial, 'section'))} could not be fetched: {partial.error.message}"
        for partial in (view.partial_sections if view is not None else ())
    ]
    purchases = view.transaction_summary if view is not None and view.HasField("transaction_summary") else None
    latest = (
        attempt("purchases", connected.profiles.list_transactions, page_size=500) if purchases is not None else None
    )
    return Card(
        customer=customer,
        summary=purchases,
        transactions=next(latest.pages).transactions if latest is not None else (),
        context=attempt("contacts", connected.interactions.get_context),
        worth=attempt("worth", worth_of),
        view=view,
        missing=missing,
    )


def _find(connected: Client, ways: dict[str, str], region: str) -> list[Customer]:
    """The customers that the command names by exactly one of its ways."""
    given = [(way, value) for way, value in ways.items() if value]
    if len(given) != 1:
        raise Failure("say whom to show by one of: an ID, --external SYSTEM:ID, --phone NUMBER, --email ADDRESS")
    ((way, value),) = given
    if way == "ID":
        return [connected.profiles.get_customer(customer_id=value)]
    if way == "--external":
        system, colon, number = value.partition(":")
        if not colon:
            raise Failure(f"--external is written SYSTEM:ID, for example cdnow:0001, not {value!r}")
        key: dict[str, Any] = {"external_id": {"system": system, "id": number}}
    elif way == "--phone":
        key = {"contact_point": {"type": "PHONE", "value": value, "region_code": region}}
    else:
        key = {"contact_point": {"type": "EMAIL", "value": value}}
    found = next(connected.profiles.lookup_customer(page_size=10, **key).pages).customers
    if not found:
        raise Failure(f"nobody has {value}; `kehu customer find` looks for names")
    return list(found)


def _card_json(card: Card) -> dict[str, Any]:
    return {
        "customer": as_dict(card.customer),
        "purchases": as_dict(card.summary) if card.summary is not None else None,
        "context": as_dict(card.context) if card.context is not None else None,
        "profile": as_dict(card.view) if card.view is not None else None,
        "missing": list(card.missing),
    }
