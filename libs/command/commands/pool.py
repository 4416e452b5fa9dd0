"""`kehu pool`: customers without an owner, who had them, and the rules about both."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from libs.command.output import AsJson, Every, Failure, as_dict, client, console, print_json

pool = typer.Typer(no_args_is_help=True, help="The public pool: who is in it, taking and giving customers, its rules.")

Id = Annotated[str, typer.Argument(help="The customer, cus_….")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]
Note = Annotated[str, typer.Option(help="Why, in words.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(pool, name="pool")


@pool.command("list")
def show_all(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the customers in the pool and what keeps you from taking each, those who came last first.

    [bold]Example:[/bold] kehu pool list --limit 50
    """
    from libs.command.views.words import ago, name_of, word

    with client() as connected:
        entries = list(islice(connected.profiles.list_pool(page_size=min(limit, 500)), limit))
        load = connected.profiles.get_owner_load()
    if as_json:
        print_json([as_dict(each) for each in entries])
        return
    table = _table("", "customer", "stage", "in the pool", "because", "had by", "id")
    for each in entries:
        theirs = each.ownership
        table.add_row(
            Text("✗", style="red") if each.blocks else Text("✓", style="green"),
            Text(each.display_name, style="bold"),
            word(name_of(each, "lifecycle")),
            ago(theirs.pool_time, datetime.now(UTC)),
            "; ".join(block.explanation for block in each.blocks) or word(name_of(theirs, "reason")),
            theirs.previous_owner,
            Text(theirs.customer_id, style="dim"),
        )
    console.print(table if entries else "nobody is in the pool")
    console.print(
        f"\nyou have {_of(load, 'customer_count', 'capacity')}, took {_of(load, 'pick_count', 'daily_limit')} today"
    )


@pool.command("claim")
def claim(customer_id: Id) -> None:
    """Take a customer from the pool. Of several who try at once, one succeeds.

    [bold]Example:[/bold] kehu pool claim cus_01jd…
    """
    with client() as connected:
        owned = connected.profiles.claim_customer(customer_id=customer_id)
    console.print(f"{owned.customer_id} is yours, {escape(owned.owner)}")


@pool.command("release")
def release(customer_id: Id, note: Note = "") -> None:
    """Give a customer to the pool.

    [bold]Example:[/bold] kehu pool release cus_01jd… --note "moved to Hangzhou"
    """
    with client() as connected:
        released = connected.profiles.release_customer(customer_id=customer_id, note=note)
    console.print(f"{released.customer_id} is in the pool")


@pool.command("assign")
def assign(
    customer_id: Id,
    owner: Annotated[str, typer.Argument(help="Who is to answer for the customer.")],
    note: Note = "",
    *,
    exceed: Annotated[bool, typer.Option("--exceed", help="Even beyond the capacity of the owner.")] = False,
) -> None:
    """Make somebody answer for a customer.

    [bold]Example:[/bold] kehu pool assign cus_01jd… li.lei --note "handover"
    """
    with client() as connected:
        fields = {"customer_id": customer_id, "owner": owner, "note": note, "exceed_capacity": exceed}
        owned = connected.profiles.assign_owner(**fields)
    console.print(f"{escape(owned.owner)} answers for {owned.customer_id}")


@pool.command("history")
def history(customer_id: Id, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show who answered for a customer, and what the policy says about the customer now.

    [bold]Example:[/bold] kehu pool history cus_01jd…
    """
    from libs.command.views.words import moment, name_of, word

    with client() as connected:
        ownership = connected.profiles.get_ownership(customer_id=customer_id)
        pager = connected.profiles.list_owner_intervals(customer_id=customer_id, page_size=min(limit, 500))
        intervals = list(islice(pager, limit))
        decision = connected.profiles.explain_ownership(customer_id=customer_id) if ownership.owner else None
    if as_json:
        told = as_dict(decision) if decision is not None else None
        intervals_told = [as_dict(each) for each in intervals]
        print_json({"ownership": as_dict(ownership), "intervals": intervals_told, "decision": told})
        return
    console.print(f"{word(name_of(ownership, 'state'))}" + (f": {escape(decision.explanation)}" if decision else ""))
    for hold in ownership.holds:
        console.print(f"held by {escape(hold.key)}: {escape(hold.reason)}", style="yellow")
    table = _table("owner", "from", "because", "to", "because")
    for each in intervals:
        ended = each.HasField("end_time")
        table.add_row(
            Text(each.owner, style="bold"),
            moment(each.start_time),
            _why(word(name_of(each, "start_reason")), each.start_note),
            moment(each.end_time) if ended else "",
            _why(word(name_of(each, "end_reason")), each.end_note) if ended else Text(),
        )
    console.print(table if intervals else "nobody has answered for the customer yet")


@pool.command("policy")
def policy(
    file: Annotated[Path | None, typer.Option(help="A JSON file with the next version.", exists=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Show the rules in force, or put the next version of them into force.

    [bold]Examples:[/bold] kehu pool policy --json > rules.json · kehu pool policy --file rules.json
    """
    with client() as connected:
        if file is None:
            found = connected.profiles.get_ownership_policy()
        else:
            found = connected.profiles.create_ownership_policy(ownership_policy=_draft(file))
    if as_json:
        print_json(as_dict(found))
        return
    console.print(f"version {found.version} by {escape(found.author)}  {escape(found.note)}")
    console.print(f"capacity {found.capacity or 'without limit'}, a day {found.daily_limit or 'without limit'}")
    table = _table("to the pool", "days without contact", "days after the contract", "warned before")
    for rule in found.recycle_rules:
        contract = str(rule.contract_days) if rule.HasField("contract_days") else "-"
        table.add_row(
            rule.segment or "everybody", str(rule.contact_days or "never"), contract, f"{rule.warn_days} days"
        )
    console.print(table)
    table = _table("from the pool", "not by the former owner for", "by nobody for")
    for pick in found.pick_rules:
        table.add_row(pick.segment or "everybody", f"{pick.cooldown_days} days", f"{pick.settle_days} days")
    console.print(table)


@pool.command("run")
def run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would happen, and change nothing.")] = False,
    every: Every = -1,
    as_json: AsJson = False,
) -> None:
    """Warn owners and move customers to the pool as the rules say.

    [bold]Example:[/bold] kehu pool run --dry-run
    """
    from kehu.profiles.v1.ownership_policies_pb2 import RunOwnershipPolicyResult

    from libs.command.commands.operation import follow
    from libs.command.views.words import name_of, word

    result = RunOwnershipPolicyResult()
    with client(patient=True) as connected:
        again = every if every >= 0 and not dry_run else None
        started = connected.profiles.run_ownership_policy(validate_only=dry_run, every_days=again)
        follow(connected, started.id, quiet=as_json).result.Unpack(result)
    if as_json:
        print_json(as_dict(result))
        return
    counts = ", ".join(f"{each.customer_count:,} {word(name_of(each, 'outcome'))}" for each in result.counts)
    would = "would be, " if dry_run else ""
    console.print(f"of {result.customer_count:,} owned customers {would}by version {result.policy_version}: {counts}\n")
    table = _table("outcome", "owner", "why", "id")
    for each in result.decisions:
        why = Text(f"{each.segment}: {each.explanation}" if each.segment else each.explanation)
        table.add_row(word(name_of(each, "outcome")), each.owner, why, Text(each.customer_id, style="dim"))
    if result.decisions:
        console.print(table)


def _draft(file: Path) -> Any:
    """A policy as `kehu pool policy --json` prints it. What only the server sets is left out."""
    from google.protobuf.json_format import ParseDict, ParseError
    from kehu.profiles.v1.ownership_policies_pb2 import OwnershipPolicy

    try:
        return ParseDict(json.loads(file.read_text(encoding="utf-8")), OwnershipPolicy())
    except (ParseError, ValueError) as error:
        raise Failure(f"{file} holds no policy: {error}") from None


def _of(load: Any, count: str, limit: str) -> str:
    most = f" of {getattr(load, limit):,}" if load.HasField(limit) else ""
    return f"{getattr(load, count):,}{most}"


def _why(reason: str, note: str) -> Text:
    return Text(reason).append(f"\n{note}", style="dim") if note else Text(reason)


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=heading == "id", min_width=30 if heading == "id" else None)
    return table
