"""`kehu customer duplicates|merge|unmerge|merges`: who is who."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from libs.command.commands.customer import customers
from libs.command.output import AsJson, Failure, as_dict, client, console, print_json

if TYPE_CHECKING:
    from libs.client.client import Client


def register(app: typer.Typer) -> None:
    """The commands are among those of `kehu customer`."""


Reason = Annotated[str, typer.Option(help="Why; kept for ever.")]


@customers.command("duplicates")
def duplicates(
    customer_id: Annotated[str, typer.Argument(help="Only those of this customer; all open pairs without it.")] = "",
    *,
    reject: Annotated[str, typer.Option(help="A pair, dup_…, that is of two people after all.")] = "",
    reason: Reason = "",
    limit: Annotated[int, typer.Option(help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show who may be the same, the most alike first, with what speaks for it and against it in bits.

    [bold]Examples:[/bold]

      kehu customer duplicates\n
      kehu customer duplicates cus_01jd…\n
      kehu customer duplicates --reject dup_01jd… --reason "father and son"
    """
    from itertools import islice

    from libs.command.views import identity as views

    with client() as connected:
        if reject:
            connected.profiles.decide_duplicate_candidate(candidate_id=reject, decision="REJECT", reason=reason)
            console.print(f"{reject} is not proposed again")
            return
        if customer_id:
            found = connected.profiles.find_duplicates(customer_id=customer_id)
            if as_json:
                print_json(as_dict(found))
                return
            rows = [(views.label(each.customer), each.match) for each in found.duplicates[:limit]]
        else:
            pages = connected.profiles.list_duplicate_candidates(filter="state = OPEN", page_size=min(limit, 500))
            pairs = list(islice(pages, limit))
            if as_json:
                print_json([as_dict(each) for each in pairs])
                return
            names = _names(connected, [id for each in pairs for id in each.customer_ids])
            rows = [(_pair(each.id, list(each.customer_ids), names), each) for each in pairs]
    console.print(views.duplicates(rows) if rows else "nobody looks like somebody else")


@customers.command("merge")
def merge(
    survivor_id: Annotated[str, typer.Argument(help="Who lives on, cus_….")],
    loser_ids: Annotated[list[str], typer.Argument(help="Who is merged into it, cus_….")],
    *,
    take: Annotated[
        list[str] | None, typer.Option(help="Whose value a field shall have, FIELD=cus_…; repeatable.")
    ] = None,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Merge customers into one, after a look at what comes of it. It can be undone: kehu customer unmerge.

    [bold]Example:[/bold] kehu customer merge cus_01jd… cus_01je… --take owner=cus_01je… --reason "same birthday"
    """
    from libs.command.views import identity as views

    choices = []
    for each in take or ():
        field, equals, whose = each.partition("=")
        if not equals:
            raise Failure(f"--take is written FIELD=cus_…, for example owner={survivor_id}, not {each!r}")
        choices.append({"field": field, "customer_id": whose})
    wish = {"survivor_id": survivor_id, "loser_ids": loser_ids, "choices": choices}
    with client() as connected:
        found = connected.profiles.preview_merge(**wish)
        if not yes:
            console.print(views.preview(found, _names(connected, [survivor_id, *loser_ids])))
            if found.vetoes:
                raise Failure("these customers must not be merged")
            typer.confirm("Merge them?", abort=True)
        done = connected.profiles.merge_customers(**wish, reason=reason, revisions=dict(found.revisions))
    if as_json:
        print_json(as_dict(done))
        return
    console.print(f"merged into {survivor_id}; undo with: kehu customer unmerge {done.merge.id}", soft_wrap=True)


@customers.command("unmerge")
def unmerge(
    merge_id: Annotated[str, typer.Argument(help="The merge, mrg_…; see kehu customer merges.")],
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Undo a merge: everybody is again who they were. Refusals of consent stay with all of them.

    [bold]Example:[/bold] kehu customer unmerge mrg_01jd… --reason "mother and daughter"
    """
    with client() as connected:
        done = connected.profiles.unmerge_customers(merge_id=merge_id, reason=reason)
    if as_json:
        print_json(as_dict(done))
        return
    for each in done.customers:
        console.print(f"{escape(each.display_name or '–')}  [dim]{each.id}[/dim]", soft_wrap=True)


@customers.command("merges")
def merges(
    customer_id: Annotated[str, typer.Argument(help="The id, cus_….")],
    as_json: AsJson = False,
) -> None:
    """Show the merges in which a customer took part, the last first, undone ones too.

    [bold]Example:[/bold] kehu customer merges cus_01jd…
    """
    from libs.command.views.identity import merge_line

    with client() as connected:
        found = next(connected.profiles.list_merges(customer_id=customer_id).pages).merges
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    for each in found:
        console.print(merge_line(each, {}), soft_wrap=True)
    if not found:
        console.print("never merged")


@customers.command("origins")
def origins(
    customer_id: Annotated[str, typer.Argument(help="The id, cus_….")],
    as_json: AsJson = False,
) -> None:
    """Show of every field who made it what it is and when, and which merge took it from whom.

    [bold]Example:[/bold] kehu customer origins cus_01jd…
    """
    from libs.command.views.identity import origin_table

    with client() as connected:
        found = connected.profiles.trace_fields(customer_id=customer_id).origins
    if as_json:
        print_json([as_dict(each) for each in found])
        return
    console.print(origin_table(found))


def _names(connected: Client, ids: list[str]) -> dict[str, str]:
    """The names of customers. An id that was merged leads to who lives on."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    found = connected.profiles.batch_get_customers(customer_ids=wanted[:500]).customers
    return {id: customer.display_name for id, customer in zip(wanted, found, strict=False)}


def _pair(id: str, customer_ids: list[str], names: dict[str, str]) -> str:
    people = " / ".join(f"[bold]{escape(names.get(each, ''))}[/bold] [dim]{each}[/dim]" for each in customer_ids)
    return f"{people}\n[dim]{id}[/dim]"
