"""`kehu goodwill`: what is given to make good, inside the limits at once and outside them approved."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.interactions.v1.remedies_pb2 import Goodwill

remedies = typer.Typer(no_args_is_help=True, help="Goodwill: asking for it, approving and declining it.")

GoodwillId = Annotated[str, typer.Argument(help="The id gdw_….")]
Reason = Annotated[str, typer.Argument(help="The reason.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(remedies, name="goodwill")


@remedies.command("ask")
def ask(
    case_id: Annotated[str, typer.Argument(help="The case, cas_….")],
    amount: Annotated[str, typer.Argument(help="The amount, for example 12.50.")],
    currency: Annotated[str, typer.Argument(help="Its currency, for example EUR.")],
    *,
    action: Annotated[str, typer.Option(help="refund, credit, replacement, gift or fee_waiver.")] = "credit",
    why: Annotated[str, typer.Option(help="The reason for which it is given.")] = "",
    key: Annotated[str, typer.Option(help="A key that is posted once, however often it is asked.")] = "",
    as_json: AsJson = False,
) -> None:
    """Give goodwill inside your limits at once, or ask whoever may approve it.

    [bold]Example:[/bold] kehu goodwill ask cas_01jd5w3k8e7r9s2t4v6x8y0z1a 12.50 EUR --action refund --why "late bill"
    """
    from libs.client.values import to_money

    try:
        units = to_money(Decimal(amount), currency).minor_units
    except (InvalidOperation, ValueError) as error:
        raise Misuse(f"{amount} is no amount of {currency}: {error}") from error
    drafted = {
        "case_id": case_id,
        "action": f"REMEDY_ACTION_{action.upper()}",
        "currency_code": currency,
        "amount": units,
        "why": why,
    }
    with client() as connected:
        _tell(connected.interactions.ask_goodwill(goodwill=drafted, key=key), as_json=as_json)


@remedies.command("approve")
def approve(goodwill_id: GoodwillId, reason: Reason = "", as_json: AsJson = False) -> None:
    """Approve goodwill that waits for you, once.

    [bold]Example:[/bold] kehu goodwill approve gdw_01jd5w3k8e7r9s2t4v6x8y0z1a "A customer of twenty years"
    """
    _decide(goodwill_id, reason, approved=True, as_json=as_json)


@remedies.command("decline")
def decline(goodwill_id: GoodwillId, reason: Reason, as_json: AsJson = False) -> None:
    """Decline goodwill that waits for you, once.

    [bold]Example:[/bold] kehu goodwill decline gdw_01jd5w3k8e7r9s2t4v6x8y0z1a "It was paid back already"
    """
    _decide(goodwill_id, reason, approved=False, as_json=as_json)


@remedies.command("list")
def list_goodwill(
    filter: Annotated[str, typer.Option("--filter", help="For example: state = AWAITING_APPROVAL.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List goodwill, the latest asked for first.

    [bold]Example:[/bold] kehu goodwill list --filter "state = AWAITING_APPROVAL"
    """
    from libs.command.views import complaint

    with client() as connected:
        found = list(islice(connected.interactions.list_goodwill(filter=filter, page_size=limit), limit))
    if as_json:
        print_json([as_dict(each) for each in found])
    else:
        console.print(complaint.goodwill(found))


def _decide(goodwill_id: str, reason: str, *, approved: bool, as_json: bool) -> None:
    with client() as connected:
        decided = connected.interactions.decide_goodwill(goodwill_id=goodwill_id, approve=approved, reason=reason)
    _tell(decided, as_json=as_json)


def _tell(told: Goodwill, *, as_json: bool) -> None:
    from libs.command.views import complaint

    if as_json:
        print_json(as_dict(told))
    else:
        console.print(complaint.goodwill([told]))
