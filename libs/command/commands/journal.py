"""`kehu journal`: the audit trail of a service."""

from __future__ import annotations

from typing import Annotated

import typer

from libs.command.backstage import journal as open_journal
from libs.command.output import AsJson, Failure, console, print_json

journals = typer.Typer(no_args_is_help=True, help="The audit trail: everything that ever changed, chained by hashes.")

Service = Annotated[str, typer.Argument(help="The service, for example profiles.")]
Tenant = Annotated[str, typer.Option(help="Whose journal; default: KEHU_TENANT, or that of the local stack.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(journals, name="journal")


@journals.command("verify")
def verify(
    service: Service,
    tenant: Tenant = "",
    root: Annotated[
        list[str] | None, typer.Option(help="A root printed earlier, POSITION:HASH; it must still be in the chain.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no entry was changed, removed or slipped in. Prints the root. Keep it elsewhere to prove more later.

    [bold]Examples:[/bold]

      kehu journal verify profiles\n
      kehu journal verify profiles --root 1042:9f3c…
    """
    from libs.chassis.journal import JournalBroken, Root
    from libs.client.stack import Stack

    tenant = tenant or Stack.find().tenant
    try:
        known = [Root(int(position), bytes.fromhex(digest)) for position, digest in (r.split(":") for r in root or ())]
    except ValueError:
        raise Failure("a root is written POSITION:HASH, as this command prints it") from None
    with open_journal(service) as opened:
        try:
            end = opened.verify(tenant, known)
        except JournalBroken as broken:
            raise Failure(f"{broken}; compare it with a backup before anything else is written") from broken
    if as_json:
        print_json({"tenant": tenant, "entries": end.position, "root": f"{end.position}:{end.hash.hex()}"})
    else:
        console.print(f"[green]✓[/green] {end.position:,} entries of {tenant} hold")
        console.print(f"root {end.position}:{end.hash.hex()}", soft_wrap=True)
