"""`kehu problem`: one cause behind many cases, whom it hit, and one remedy and one apology for each of them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from libs.command.output import AsJson, Misuse, as_dict, client, console, print_json

if TYPE_CHECKING:
    from kehu.interactions.v1.problems_pb2 import Problem

problems = typer.Typer(no_args_is_help=True, help="Problems: causes as a tree, who is affected, one remedy for all.")

ProblemId = Annotated[str, typer.Argument(help="The id prb_….")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(problems, name="problem")


@problems.command("open")
def open_problem(
    title: Annotated[str, typer.Argument(help="What is wrong.")],
    product: Annotated[str, typer.Option(help="The product.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open a problem.

    [bold]Example:[/bold] kehu problem open "Screws are missing" --product chair
    """
    with client() as connected:
        _tell(connected.interactions.open_problem(problem={"title": title, "product": product}), as_json=as_json)


@problems.command("show")
def show(problem_id: ProblemId, as_json: AsJson = False) -> None:
    """Show a problem with its causes and its remedy.

    [bold]Example:[/bold] kehu problem show prb_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.get_problem(problem_id=problem_id), as_json=as_json)


@problems.command("cause")
def cause(
    problem_id: ProblemId,
    key: Annotated[str, typer.Argument(help="A short name for it.")],
    text: Annotated[str, typer.Argument(help="The cause in words; left out to confirm it.")] = "",
    parent: Annotated[str, typer.Option(help="The cause that it is a cause of.")] = "",
    as_json: AsJson = False,
) -> None:
    """Add a cause to the tree, or confirm one that is there.

    [bold]Example:[/bold] kehu problem cause prb_01jd5w3k8e7r9s2t4v6x8y0z1a packing "The bag was not packed"
    """
    with client() as connected:
        if text:
            found = {"key": key, "text": text, "parent": parent}
            told = connected.interactions.add_cause(problem_id=problem_id, cause=found)
        else:
            told = connected.interactions.confirm_cause(problem_id=problem_id, key=key)
    _tell(told, as_json=as_json)


@problems.command("affect")
def affect(
    problem_id: ProblemId,
    filter: Annotated[str, typer.Argument(help="Cases whose customers it hit: type = INCIDENT AND state = OPEN.")],
) -> None:
    """Add the customers of all cases that meet a filter.

    [bold]Example:[/bold] kehu problem affect prb_01jd5w3k8e7r9s2t4v6x8y0z1a "type = INCIDENT"
    """
    added, more = 0, True
    with client() as connected:
        while more:
            told = connected.interactions.add_affected(problem_id=problem_id, case_filter=filter)
            added, more = added + told.added, told.more
    console.print(f"{added:,} customers are affected beside those who were known")


@problems.command("plan")
def plan(
    problem_id: ProblemId,
    amount: Annotated[str, typer.Argument(help="The amount for each, for example 12.50.")],
    currency: Annotated[str, typer.Argument(help="Its currency, for example EUR.")],
    apology: Annotated[str, typer.Argument(help="The apology, in words for the customer.")],
    *,
    action: Annotated[str, typer.Option(help="refund, credit, replacement, gift or fee_waiver.")] = "credit",
    as_json: AsJson = False,
) -> None:
    """Plan one remedy for everybody who is affected.

    [bold]Example:[/bold] kehu problem plan prb_01jd5w3k8e7r9s2t4v6x8y0z1a 5 EUR "We are sorry for the screws."
    """
    from libs.client.values import to_money

    try:
        units = to_money(Decimal(amount), currency).minor_units
    except (InvalidOperation, ValueError) as error:
        raise Misuse(f"{amount} is no amount of {currency}: {error}") from error
    planned = {
        "action": f"REMEDY_ACTION_{action.upper()}",
        "currency_code": currency,
        "amount": units,
        "apology": apology,
    }
    with client() as connected:
        _tell(connected.interactions.plan_remedy(problem_id=problem_id, plan=planned), as_json=as_json)


@problems.command("remedy")
def remedy(problem_id: ProblemId) -> None:
    """Begin to give the remedy and the apology to each of them, once. It goes on in the background.

    [bold]Example:[/bold] kehu problem remedy prb_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        begun = connected.interactions.remedy_problem(problem_id=problem_id)
    console.print(f"begun as {begun.id}; [bold]kehu problem show {problem_id}[/bold] tells when it is done")


@problems.command("solve")
def solve(problem_id: ProblemId, as_json: AsJson = False) -> None:
    """Close a problem of which a cause is confirmed.

    [bold]Example:[/bold] kehu problem solve prb_01jd5w3k8e7r9s2t4v6x8y0z1a
    """
    with client() as connected:
        _tell(connected.interactions.solve_problem(problem_id=problem_id), as_json=as_json)


def _tell(told: Problem, *, as_json: bool) -> None:
    from libs.command.views import complaint

    if as_json:
        print_json(as_dict(told))
    else:
        console.print(complaint.problem(told))
